package stepup_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// effect adds a row, which shows whether its unit was committed.
func effect(unit *pg.Unit, name string) {
	unit.Add(pg.Statement{SQL: "INSERT INTO policy (name, valid_from, value) VALUES ($1, '2030-01-01', 1)", Args: []any{name}})
}

func (d fixture) effects(t *testing.T, prefix string) int {
	t.Helper()
	return check.Count(t, d.db.Pool(), "SELECT count(*) FROM policy WHERE name LIKE $1 || '%'", prefix)
}

// An intent that was verified many times has one effect, whether the unit has its
// effect before or after consuming.
func TestEvidenceIsUsedOnce(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for round := range 10 {
		in := p.intent(t, keyOnly)
		var proven []*stepup.Verified
		for range 8 {
			evidence, err := p.confirm(t, in, p.sign(t, text))
			check.Must(t, err)
			proven = append(proven, evidence)
		}
		prefix := in.ID.String()
		won := parallel(t, len(proven), func(i int) error {
			var unit pg.Unit
			if round%2 == 0 {
				proven[i].Consume(&unit)
			}
			effect(&unit, prefix+string(rune('a'+i)))
			if round%2 == 1 {
				proven[i].Consume(&unit)
			}
			return p.db.Commit(t.Context(), &unit)
		}, stepup.ErrUsed)
		if n := p.effects(t, prefix); won != 1 || n != 1 {
			t.Errorf("%d units won and %d effects are there, want 1 and 1", won, n)
		}
		if got := p.state(t, in); got != "consumed" {
			t.Errorf("the intent is %s", got)
		}
	}
}

func TestConsume(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for _, tt := range []struct {
		name    string
		between func(in stepup.Intent)
		want    error
		state   string
	}{
		{"at once", func(stepup.Intent) {}, nil, "consumed"},
		{"cancelled since", func(stepup.Intent) {
			p.cancelAll(t, p.customer)
		}, stepup.ErrExpired, "cancelled"},
		{"consumed since", func(in stepup.Intent) {
			p.change(t, "UPDATE intent SET state = 'consumed' WHERE id = $1", in.ID)
		}, stepup.ErrUsed, "consumed"},
		{"another's since", func(in stepup.Intent) {
			p.change(t, "UPDATE intent SET customer_id = $2 WHERE id = $1", in.ID, uuid.New())
		}, stepup.ErrExpired, "open"},
		{"expired by then", func(in stepup.Intent) {
			p.change(t, "UPDATE intent SET expires_at = $2 WHERE id = $1", in.ID, p.clock.Now())
		}, stepup.ErrExpired, "open"},
		{"expiring just after", func(in stepup.Intent) {
			p.change(t, "UPDATE intent SET expires_at = $2 WHERE id = $1", in.ID, p.clock.Now().Add(time.Microsecond))
		}, nil, "consumed"},
	} {
		in := p.intent(t, keyOnly)
		evidence, err := p.confirm(t, in, p.sign(t, text))
		want(t, tt.name, err, nil)
		tt.between(in)
		want(t, tt.name, p.consume(t, evidence), tt.want)
		if got := p.state(t, in); got != tt.state {
			t.Errorf("%s: the intent is %s, want %s", tt.name, got, tt.state)
		}
	}
}

// An operation that fails leaves the intent open and the password's failures as
// they were, so that the customer can confirm again.
func TestAFailedUnitConsumesNothing(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, passwordOnly)
	evidence, err := p.confirm(t, in, p.password(t, tradePassword))
	check.Must(t, err)
	refused := errors.New("refused")
	var unit pg.Unit
	evidence.Consume(&unit)
	unit.Add(pg.Statement{
		SQL:    "INSERT INTO policy SELECT * FROM policy",
		Refuse: map[string]error{"policy_pkey": refused},
	})
	want(t, "the unit", p.db.Commit(t.Context(), &unit), refused)
	if state, failures := p.state(t, in), p.failures(t); state != "open" || failures != 1 {
		t.Errorf("the intent is %s with %d failures, want open with 1", state, failures)
	}
	evidence, err = p.confirm(t, in, p.password(t, tradePassword))
	want(t, "confirming again", err, nil)
	want(t, "its use", p.consume(t, evidence), nil)
}

// A logout cancels the customer's open intents, and no other intent.
func TestCancelAll(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	p, other := d.phone(t), d.phone(t)
	open, late, done, others := p.intent(t), p.intent(t), p.intent(t), other.intent(t)
	p.change(t, "UPDATE intent SET state = 'consumed' WHERE id = $1", done.ID)
	p.change(t, "UPDATE intent SET expires_at = $2 WHERE id = $1", late.ID, p.clock.Now())
	for range 2 {
		p.cancelAll(t, p.customer)
		got := [4]string{p.state(t, open), p.state(t, late), p.state(t, done), p.state(t, others)}
		if diff := cmp.Diff([4]string{"cancelled", "cancelled", "consumed", "open"}, got); diff != "" {
			t.Errorf("open, late, done, another's (-want +got):\n%s", diff)
		}
	}
	p.cancelAll(t, uuid.New())
}

func TestWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	p := d.phone(t)
	in := p.intent(t)
	broken := pgtest.Broken(t)
	_, err := stepup.Load(t.Context(), broken.Reader(), d.ring, in.ID, in.CustomerID, d.clock.Now())
	want(t, "Load", err, bankerr.ErrUnavailable)
	p.db = broken
	if _, err := p.verify(t.Context(), p.check(in, p.sign(t, text))); err == nil {
		t.Error("Verify passed without the database")
	}
	_, err = p.check(in, p.sign(t, text)).Verify(t.Context(), d.ring)
	if err == nil {
		t.Error("Verify passed without having asked the database")
	}
}
