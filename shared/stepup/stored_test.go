package stepup_test

import (
	"errors"
	"testing"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
)

// earlier stores the trade password in the form of earlier releases.
func (p phone) earlier(t *testing.T) {
	t.Helper()
	text, err := sm.HashPassword([]byte(tradePassword), rounds)
	check.Must(t, err)
	p.change(t, "UPDATE credential SET trade_password = $1 WHERE customer_id = $2", text, p.customer)
}

func (p phone) stored(t *testing.T) string {
	t.Helper()
	return check.Value[string](t, p.db.Pool(), "SELECT trade_password FROM credential WHERE customer_id = $1", p.customer)
}

// A confirmation stores a trade password of the earlier form anew, in its own unit. A
// refused one does not, nor does it replace a password that was changed in the meantime.
func TestAConfirmationStoresAnEarlierPasswordAnew(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	p.earlier(t)
	before := p.stored(t)
	p.fail(t, 1)
	in := p.intent(t)
	_, err := p.confirm(t, in, p.password(t, tradePassword), off(p.code(t, in)))
	want(t, "right beside a wrong code", err, stepup.ErrProofRejected)
	verified, err := p.pass(t)
	want(t, "right", err, nil)
	if got := p.stored(t); got != before {
		t.Errorf("stored as %s before the use", got)
	}
	want(t, "its use", p.consume(t, verified), nil)
	after := p.stored(t)
	if after == before || p.failures(t) != 0 {
		t.Errorf("stored as %s, %d failures", after, p.failures(t))
	}
	verified, err = p.pass(t)
	want(t, "right again", err, nil)
	want(t, "its use", p.consume(t, verified), nil)
	if got := p.stored(t); got != after {
		t.Errorf("stored a second time, as %s", got)
	}

	p.earlier(t)
	verified, err = p.pass(t)
	want(t, "right", err, nil)
	p.change(t, "UPDATE credential SET trade_password = 'changed' WHERE customer_id = $1", p.customer)
	want(t, "its use", p.consume(t, verified), nil)
	if got := p.stored(t); got != "changed" {
		t.Errorf("the changed password was replaced by %s", got)
	}
}

// A password that was copied from another customer's row is wrong. Audit learns it.
func TestACopiedPasswordIsWrong(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	p, other := d.phone(t), d.phone(t)
	p.change(t, "UPDATE credential SET trade_password = $1 WHERE customer_id = $2", other.stored(t), p.customer)
	v := p.check(p.intent(t, passwordOnly), p.password(t, tradePassword))
	_, err := p.verify(t.Context(), v)
	want(t, "a copied password", err, stepup.ErrProofRejected)
	if got := v.Reason(); got != "trade_password, trade_password damaged" || p.failures(t) != 1 {
		t.Errorf("the reason is %q, %d failures", got, p.failures(t))
	}
}

// A guess that gets no turn to hash is not compared, and does not stay counted.
func TestAGuessWithoutATurn(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	hashing := password.NewHashing(password.Config{Rounds: rounds})
	d.passwords = password.NewStore(d.ring, hashing)
	p := d.phone(t)
	in := p.intent(t, passwordOnly)
	var held []*password.Turn
	for range hashing.Turns() {
		turn, err := d.passwords.Begin(t.Context())
		check.Must(t, err)
		held = append(held, turn)
	}
	if _, err := p.confirm(t, in, p.password(t, tradePassword)); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("without a turn: %v, want SERVICE_UNAVAILABLE", err)
	}
	if got := p.failures(t); got != 0 {
		t.Errorf("%d failures stand", got)
	}
	for _, turn := range held {
		turn.End()
	}
	_, err := p.confirm(t, in, p.password(t, tradePassword))
	want(t, "with a turn", err, nil)
}
