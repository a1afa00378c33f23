package stepup_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
)

// An intent is kept for 30 days after it has expired, whatever its state.
func TestIntentsAreKeptForThirtyDays(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	p := d.phone(t)
	const day = 24 * time.Hour
	kept := map[string]time.Duration{"fresh": 0, "29 days old": 29 * day, "created 31 days ago": 29*day + 12*time.Hour}
	gone := map[string]time.Duration{"31 days old": 31 * day, "a year old": 365 * day}
	save := func(age time.Duration) stepup.Intent {
		return p.intent(t, func(in *stepup.Intent) {
			in.ExpiresAt = time.Now().Add(-age) // the database's clock counts
			in.CreatedAt = in.ExpiresAt.Add(-2 * day)
		})
	}
	stored := map[string]stepup.Intent{}
	for name, age := range kept {
		stored[name] = save(age)
	}
	for _, age := range gone {
		save(age)
	}
	n, err := d.db.Prune(t.Context(), stepup.Retention(), time.Now())
	check.Must(t, err)
	if n != int64(len(gone)) {
		t.Errorf("%d intents were deleted, want %d", n, len(gone))
	}
	for name, in := range stored {
		if got := d.state(t, in); got != "open" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Nothing proves an operation that moves no amount.
func TestNoAmountIsProven(t *testing.T) {
	t.Parallel()
	m := inForce(t)
	for _, scene := range []stepup.Scene{stepup.ToOthers, stepup.ToOwn} {
		for _, amount := range []money.Fen{0, -1} {
			if list, err := m.Decide(about(scene, risk.GradeNormal, amount)); !errors.Is(err, stepup.ErrStronger) {
				t.Errorf("scene %d, %d fen: %v, %v", scene, amount, list, err)
			}
		}
	}
}
