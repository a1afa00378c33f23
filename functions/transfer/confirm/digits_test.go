package confirm_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
)

// A text that is not six digits is no guess at the trade password: neither it nor the
// code beside it is counted. Full-width digits are digits.
func TestATradePasswordIsSixDigits(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	code := stepup.Proof{Factor: stepup.SMSOTP, Code: w.otp(t, in)}
	with := func(password string) bank.Reply {
		guess := stepup.Proof{Factor: stepup.TradePassword, Password: w.Phone.Password(t, password)}
		return w.Phone.Call(t, transferconfirm.Function, uuid.NewString(), confirmation(in.IntentID, code, guess))
	}
	for _, none := range []string{"", "abc", "73916", "7391644", "７３９１６", "739 164", strings.Repeat("7", 500)} {
		refused := with(none)
		if refused.Want(t, "INPUT_INVALID"); refused.Problem.Field != "proofs[1].password" {
			t.Errorf("%q: field %q", none, refused.Problem.Field)
		}
	}
	if n := w.Count(t, "SELECT trade_failures + trade_in_flight FROM credential WHERE customer_id = $1", w.Payer.ID); n != 0 {
		t.Errorf("%d guesses are counted", n)
	}
	folded := strings.Map(func(r rune) rune { return r - '0' + '０' }, bank.TradePassword)
	with(folded).Want(t, "")
}
