package stepup_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// No combination of the factors without a cap of their own reaches further than the SMS
// code, and all of them share one sum of a day (LIMIT-001). The token lifts each of them to
// its cap, in a sum of its own (LIMIT-003), and so does the soft UKey of the counter (LIMIT-002).
func TestLimitOfTheStrongestFactor(t *testing.T) {
	t.Parallel()
	for _, factors := range subsets {
		var wantKind limit.Kind
		var wantMost money.Fen
		if len(factors) > 0 {
			wantKind, wantMost = limit.TransferSMS, stepup.CapSMS
		}
		for _, c := range []stepup.Combination{factors, append(slices.Clone(factors), "fingerprint")} {
			ukey := slices.Concat(c, stepup.Combination{stepup.SoftUKeyCounter})
			if kind, most := ukey.Limit(); kind != limit.TransferSoftUKey || most != 1_000_000_00 {
				t.Errorf("%v: %d in a day's %q", ukey, most, kind)
			}
			if kind, most := c.Limit(); kind != wantKind || most != wantMost {
				t.Errorf("%v: %d in a day's %q, want %d in %q", c, most, kind, wantMost, wantKind)
			}
			c = slices.Concat(c, stepup.Combination{stepup.Token})
			if kind, most := c.Limit(); kind != limit.TransferToken || most != stepup.CapToken {
				t.Errorf("%v: %d in a day's %q", c, most, kind)
			}
		}
	}
}

// The standard's cap stands in code for one transfer, and in the policy for the sum
// of a day: they are one figure.
func TestPolicyHoldsTheStandardsCap(t *testing.T) {
	t.Parallel()
	today := clock.BusinessDay(newClock().Now())
	for kind, most := range map[limit.Kind]money.Fen{
		limit.TransferSMS: stepup.CapSMS, limit.TransferToken: stepup.CapToken, limit.TransferSoftUKey: stepup.CapSoftUKey,
	} {
		usage, err := limit.Get(t.Context(), pgtest.New(t).Reader(), uuid.New(), kind, today)
		check.Must(t, err)
		if usage.Cap != most {
			t.Errorf("the policy's cap of a day is %d fen, the factor's %d", usage.Cap, most)
		}
	}
}
