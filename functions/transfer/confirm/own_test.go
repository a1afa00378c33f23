package confirm_test

import (
	"testing"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/req"
)

// One factor is enough for the customer's own accounts alone: another holder's
// account takes two when it is named by its number, and none is enough when it is
// passed off as an own one.
func TestAnothersAccountIsNoOwnAccount(t *testing.T) {
	t.Parallel()
	req.Covers(t, "XFER-003.2")
	w := newFixture(t, 1_000_00)
	in := w.Prepare(t, w.ToOwn(1_00))
	one := func(in transferprepare.Response) stepup.Confirmation {
		return confirmation(in.IntentID, w.Signed(t, in))
	}
	w.Phone.Call(t, transferconfirm.Function, "own", one(in)).Want(t, "")
	w.Phone.Call(t, transferconfirm.Function, "others", one(w.prepare(t, 1_00))).Want(t, "STEPUP_STRONGER")

	declared := w.ToOwn(1_00)
	declared["payee_account_id"] = w.Payee.AccountIDs[0]
	w.Phone.Call(t, transferprepare.Function, "", declared).Want(t, "OBJECT_NOT_FOUND")
	declared = w.request(1_00)
	declared["own"] = true
	w.Phone.Call(t, transferprepare.Function, "", declared).Want(t, "INPUT_INVALID")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 0 {
		t.Errorf("%s moved to another holder", got.Yuan())
	}
	w.Sound(t)
}

// Between own accounts one factor is enough, and the SMS code's cap holds for them
// too: 50,000.00 at once or in a day, and not 0.01 more.
func TestOwnAccountsTakeOneFactorUnderTheCap(t *testing.T) {
	t.Parallel()
	req.Covers(t, "XFER-003.1")
	const most, small = 50_000_00, 100_00
	w := newFixture(t, 1_000_000_00)
	w.Phone.Call(t, transferprepare.Function, "", w.ToOwn(most+1)).Want(t, "STEPUP_STRONGER")
	in := w.Prepare(t, w.ToOwn(small))
	signed := w.Signed(t, in)
	w.Phone.Call(t, transferconfirm.Function, "one factor", confirmation(in.IntentID, signed)).Want(t, "")
	w.pay(t, "the rest of the day", w.ToOwn(most-small))
	w.Phone.Call(t, transferprepare.Function, "", w.ToOwn(1)).Want(t, "LIMIT_EXCEEDED")
	if got := w.Balance(t, w.Payer.AccountIDs[1]); got != most {
		t.Errorf("%s arrived", got.Yuan())
	}
	w.Sound(t)
}
