package stepup_test

import (
	"testing"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
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

// A refused call takes back the count of a trade password that was right, and of no
// other one.
func TestUndoAttempt(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, tt := range []struct {
		name   string
		proofs func(p phone) []stepup.Proof
		undone bool
		left   int // failures
	}{
		{"a right password beside a wrong signature", func(p phone) []stepup.Proof {
			return []stepup.Proof{p.password(t, tradePassword), p.sign(t, "x")}
		}, true, 0},
		{"a wrong password", func(p phone) []stepup.Proof {
			return []stepup.Proof{p.password(t, "000000"), p.sign(t, text)}
		}, false, 3},
		{"a right signature", func(p phone) []stepup.Proof { return []stepup.Proof{p.sign(t, text)} }, false, 2},
		{"no proof", func(phone) []stepup.Proof { return nil }, false, 2},
	} {
		p := d.phone(t)
		p.fail(t, 2)
		c := p.check(p.intent(t), tt.proofs(p)...)
		_, err := p.verify(t.Context(), c)
		if err == nil {
			t.Fatalf("%s: the proofs are enough", tt.name)
		}
		var unit pg.Unit
		undone := c.UndoAttempt(&unit)
		check.Must(t, d.db.Commit(t.Context(), &unit))
		if left := p.failures(t); undone != tt.undone || left != tt.left {
			t.Errorf("%s: undone %t with %d failures, want %t with %d", tt.name, undone, left, tt.undone, tt.left)
		}
	}
}
