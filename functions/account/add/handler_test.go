package add_test

import (
	"testing"

	"github.com/google/uuid"

	accountadd "github.com/tidebank/tidebank/functions/account/add"
	accountchangeprepare "github.com/tidebank/tidebank/functions/account/changeprepare"
	accountdetail "github.com/tidebank/tidebank/functions/account/detail"
	accountoverview "github.com/tidebank/tidebank/functions/account/overview"
	accountremove "github.com/tidebank/tidebank/functions/account/remove"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

func shown(t *testing.T, w bank.Pair) int {
	t.Helper()
	var all accountoverview.Response
	w.Phone.Call(t, accountoverview.Function, "", struct{}{}).Into(t, &all)
	return len(all.Accounts)
}

// An account is removed after a confirmation, and from then on every operation on it is refused, also a
// transfer that was prepared before. It is added after two factors are proven, and a transfer from it
// passes again.
func TestOperableAccounts(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-003.1", "ACCT-003.2")
	w := bank.NewPair(t, 1_000_00)
	mine, number := w.Payer.AccountIDs[0], w.Payer.Accounts[0].No
	early := w.Prepare(t, w.ToPayee(1_00))
	in := w.PrepareAccount(t, map[string]any{"change": "account_remove", "account_id": mine})
	w.Phone.ConfirmBy(t, accountremove.Function, in.IntentID).Want(t, "STEPUP_STRONGER")
	if shown(t, w) != 2 {
		t.Error("the account is removed without a confirmation")
	}
	w.Phone.ConfirmBy(t, accountremove.Function, in.IntentID, w.Phone.SignedText(t, in.Text)).Want(t, "")
	gone := func() {
		t.Helper()
		w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)).Want(t, "OBJECT_NOT_FOUND")
		w.Phone.Call(t, transferprepare.Function, "", w.ToOwn(1_00)).Want(t, "OBJECT_NOT_FOUND")
		w.Phone.Call(t, accountdetail.Function, "", map[string]any{"account_id": mine}).Want(t, "OBJECT_NOT_FOUND")
		w.Confirm(t, w.Proved(t, early)).Want(t, "ACCOUNT_CLOSED")
		if n := shown(t, w); n != 1 {
			t.Errorf("%d accounts are shown", n)
		}
	}
	gone()
	w.Phone.Call(t, accountchangeprepare.Function, "", map[string]any{"change": "account_remove", "account_id": mine}).
		Want(t, "OBJECT_NOT_FOUND")

	in = w.PrepareAccount(t, map[string]any{"change": "account_add", "account_no": number})
	signed := w.Phone.SignedText(t, in.Text)
	w.Phone.ConfirmBy(t, accountadd.Function, in.IntentID, signed).Want(t, "STEPUP_STRONGER")
	gone()
	w.Phone.ConfirmBy(t, accountadd.Function, in.IntentID, signed, w.Known(t)).Want(t, "")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(1_00)))).Want(t, "")
	w.Phone.Call(t, accountchangeprepare.Function, "", map[string]any{"change": "account_add", "account_no": number}).
		Want(t, "OBJECT_NOT_FOUND")
	w.CheckLedger(t)
}

// An account of a holder with another identity is refused like a number that nobody has, though mobile banking
// does not operate it for its holder.
func TestAnotherHoldersAccount(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-003.3")
	w := bank.NewPair(t, 0)
	w.Exec(t, "UPDATE account SET operable = false")
	add := func(number string) bank.Reply {
		return w.Phone.Call(t, accountchangeprepare.Function, "", map[string]any{"change": "account_add", "account_no": number})
	}
	foreign := add(w.Payee.Accounts[0].No)
	foreign.Want(t, "OBJECT_NOT_FOUND")
	bank.WantSame(t, "another holder's account", foreign, add("622848000000999999"))
	add(w.Payer.Accounts[1].No).Want(t, "")
	add("62").Want(t, "INPUT_INVALID")
	w.Phone.ConfirmBy(t, accountadd.Function, uuid.New()).Want(t, "OBJECT_NOT_FOUND")
}
