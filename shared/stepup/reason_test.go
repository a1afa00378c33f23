package stepup_test

import (
	"testing"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Audit learns which proof did not hold, and when a lock of the trade password ends
// or begins.
func TestReasonForAudit(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, tt := range []struct {
		name   string
		wrong  int  // guesses at the trade password before this call
		locked bool // their lock has ended since
		key    string
		guess  string
		want   string
	}{
		{"all hold", 4, false, text, tradePassword, ""},
		{"a wrong signature", 0, false, "x", tradePassword, "device_key"},
		{"a wrong signature with the last guess, right", 4, false, "x", tradePassword, "device_key"},
		{"a wrong guess", 3, false, text, "000000", "trade_password"},
		{"the last guess, wrong", 4, false, text, "000000", "trade_password, now locked"},
		{"a wrong signature with the last guess, wrong", 4, false, "x", "000000", "device_key, trade_password, now locked"},
		{"a guess while it is locked", 5, false, text, tradePassword, "trade_password"},
		{"the first guess after a lock, right", 5, true, text, tradePassword, "lock ended"},
		{"the first guess after a lock, wrong", 5, true, text, "000000", "lock ended, trade_password"},
	} {
		p := d.phone(t)
		p.fail(t, tt.wrong)
		if tt.locked {
			p.clock.Advance(lock)
		}
		c := p.check(p.intent(t), p.sign(t, tt.key), p.password(t, tt.guess))
		_, err := p.verify(t.Context(), c)
		if got := c.Reason(); got != tt.want {
			t.Errorf("%s: %q, want %q (%v)", tt.name, got, tt.want, err)
		}
	}
}

// A refused call takes back the count of a trade password or code that was right, and of
// no other one. A right password also ends the row of failures.
func TestSettle(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, tt := range []struct {
		name     string
		proofs   func(p phone, in stepup.Intent) []stepup.Proof
		tries    int // of the code
		failures int // of the password
	}{
		{"a right password beside a wrong signature", func(p phone, _ stepup.Intent) []stepup.Proof {
			return []stepup.Proof{p.password(t, tradePassword), p.sign(t, "x")}
		}, 0, 0},
		{"a right password beside a wrong code", func(p phone, in stepup.Intent) []stepup.Proof {
			return []stepup.Proof{p.password(t, tradePassword), off(p.code(t, in))}
		}, 1, 0},
		{"a wrong password beside a right code", func(p phone, in stepup.Intent) []stepup.Proof {
			return []stepup.Proof{p.password(t, "000000"), p.code(t, in)}
		}, 0, 3},
		{"a wrong password", func(p phone, _ stepup.Intent) []stepup.Proof {
			return []stepup.Proof{p.password(t, "000000"), p.sign(t, text)}
		}, 0, 3},
		{"a right signature", func(p phone, _ stepup.Intent) []stepup.Proof { return []stepup.Proof{p.sign(t, text)} }, 0, 2},
		{"no proof", func(phone, stepup.Intent) []stepup.Proof { return nil }, 0, 2},
	} {
		p := d.phone(t)
		p.fail(t, 2)
		in := p.intent(t)
		p.code(t, in)
		if _, err := p.confirm(t, in, tt.proofs(p, in)...); err == nil {
			t.Fatalf("%s: the proofs are enough", tt.name)
		}
		if tries, failures := p.tries(t, in), p.failures(t); tries != tt.tries || failures != tt.failures {
			t.Errorf("%s: %d tries and %d failures, want %d and %d", tt.name, tries, failures, tt.tries, tt.failures)
		}
	}
}

// A call settles its attempts once, also if it is asked again.
func TestSettledOnce(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, only(stepup.SMSOTP, stepup.TradePassword))
	code := p.code(t, in)
	c := p.check(in, off(code), p.password(t, "000000"))
	_, err := p.verify(t.Context(), c)
	want(t, "wrong proofs", err, stepup.ErrProofRejected)
	var unit pg.Unit
	if c.Settle(&unit); !unit.Empty() {
		t.Error("a second settlement adds statements")
	}
	if tries, failures := p.tries(t, in), p.failures(t); tries != 1 || failures != 1 {
		t.Errorf("%d tries and %d failures, want 1 and 1", tries, failures)
	}
}
