package prepare_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
)

// A device's key that is younger than a day confirms 5,000.00 in a day at most, in one
// transfer or in several. Other proofs confirm more.
func TestAYoungKeyConfirmsLittle(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 100_000_00)
	prepare := func(amount money.Fen) (in transferprepare.Response, withKey bool) {
		t.Helper()
		in = p.Prepare(t, p.ToPayee(amount))
		return in, slices.ContainsFunc(in.Combinations, func(c string) bool { return strings.Contains(c, "device_key") })
	}
	for _, tt := range []struct {
		name   string
		change string
		after  time.Duration
		amount money.Fen
		want   bool
	}{
		{"young", "UPDATE device SET bound_at = $1", 0, 5_000_00, true},
		{"young", "UPDATE device SET bound_at = $1", 0, 5_000_01, false},
		{"a moment before its day is over", "UPDATE device SET bound_at = $1", 24*time.Hour - time.Second, 5_000_01, false},
		{"a day old", "UPDATE device SET bound_at = $1", 24 * time.Hour, 50_000_00, true},
	} {
		p.Exec(t, tt.change, p.Clock.Now().Add(-tt.after))
		if in, got := prepare(tt.amount); got != tt.want || !slices.Contains(in.Combinations, "sms_otp+trade_password") {
			t.Errorf("%s, %s: %v", tt.name, tt.amount.Yuan(), in.Combinations)
		}
	}

	// Several intents at once can't confirm more than the sum either.
	p.Exec(t, "UPDATE device SET bound_at = $1", p.Clock.Now())
	first, _ := prepare(3_000_00)
	second, _ := prepare(3_000_00)
	p.Confirm(t, p.Proved(t, first)).Want(t, "")
	p.Confirm(t, p.Proved(t, second)).Want(t, "LIMIT_EXCEEDED")
	if _, withKey := prepare(2_000_01); withKey {
		t.Error("the key confirms more than is left of its day")
	}
	if _, withKey := prepare(2_000_00); !withKey {
		t.Error("the key does not confirm what is left of its day")
	}
}
