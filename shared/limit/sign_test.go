package limit_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
)

// A use can't give anything of a limit back.
func TestNothingIsGivenBack(t *testing.T) {
	t.Parallel()
	d, who := newDesk(t), uuid.New()
	if err := d.use(t, who, sms, monday, 100, most); err != nil {
		t.Fatal(err)
	}
	for _, amount := range []money.Fen{0, -1, -100, math.MinInt64} {
		if err := d.use(t, who, sms, monday, amount, math.MaxInt64); !errors.Is(err, limit.ErrExceeded) {
			t.Errorf("%d: %v, want LIMIT_EXCEEDED", amount, err)
		}
	}
	if got := d.used(t, who, sms, monday); got != 100 {
		t.Errorf("%d is used, want 100", got)
	}
}
