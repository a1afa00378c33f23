package lossreport_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/account"
	accountdetail "github.com/tidebank/tidebank/functions/account/detail"
	accountlosslift "github.com/tidebank/tidebank/functions/account/losslift"
	accountlossreport "github.com/tidebank/tidebank/functions/account/lossreport"
	accountoverview "github.com/tidebank/tidebank/functions/account/overview"
	accountstatement "github.com/tidebank/tidebank/functions/account/statement"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

func report(t *testing.T, w bank.Pair, id uuid.UUID) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, accountlossreport.Function, "", map[string]any{"account_id": id})
}

// After the report, no money leaves the account: not by a transfer that was prepared before, to others or
// to an own account, and no transfer is prepared. The balance and the statement are still shown. One
// factor does not lift the report, two do.
func TestALossReportHoldsAtOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-004.1", "ACCT-004.2", "ACCT-004.3")
	w := bank.NewPair(t, 1_000_00)
	mine := w.Payer.AccountIDs[0]
	others, own := w.Prepare(t, w.ToPayee(1_00)), w.Prepare(t, w.ToOwn(2_00))
	var told accountlossreport.Response
	report(t, w, mine).Into(t, &told)
	if !told.Lost {
		t.Errorf("the reply is %+v", told)
	}
	report(t, w, mine).Want(t, "") // again
	w.Confirm(t, w.Proved(t, others)).Want(t, "ACCOUNT_CLOSED")
	w.Confirm(t, w.Proved(t, own)).Want(t, "ACCOUNT_CLOSED")
	for _, request := range []map[string]any{w.ToPayee(1_00), w.ToOwn(2_00)} {
		w.Phone.Call(t, transferprepare.Function, "", request).Want(t, "ACCOUNT_CLOSED")
	}
	var view account.View
	w.Phone.Call(t, accountdetail.Function, "", map[string]any{"account_id": mine}).Into(t, &view)
	var all accountoverview.Response
	w.Phone.Call(t, accountoverview.Function, "", struct{}{}).Into(t, &all)
	if view.State != "lost" || view.Balance != 1_000_00 || all.Assets.Total != 1_000_00 || len(all.Accounts) != 2 {
		t.Errorf("%+v and %+v are shown", view, all)
	}
	w.Phone.Call(t, accountstatement.Function, "", map[string]any{"account_id": mine}).Want(t, "")

	in := w.PrepareAccount(t, map[string]any{"change": "loss_lift", "account_id": mine})
	signed := w.Phone.SignedText(t, in.Text)
	for _, one := range []stepup.Proof{signed, w.Known(t), w.CodeFor(t, in.IntentID)} {
		w.Phone.ConfirmBy(t, accountlosslift.Function, in.IntentID, one).Want(t, "STEPUP_STRONGER")
	}
	w.Confirm(t, w.Proved(t, others)).Want(t, "ACCOUNT_CLOSED")
	w.Phone.ConfirmBy(t, accountlosslift.Function, in.IntentID, signed, w.Known(t)).Want(t, "")
	w.Confirm(t, w.Proved(t, others)).Want(t, "")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToOwn(3_00)))).Want(t, "")
	w.CheckLedger(t)
}

// A report and a transfer at the same time: the transfer is whole, or it is refused.
func TestAReportBesideTransfers(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 1_000_00)
	var proved []stepup.Confirmation
	for range 4 {
		proved = append(proved, w.Proved(t, w.Prepare(t, w.ToPayee(1_00))))
	}
	moved := 0
	for i, got := range check.AtOnce(len(proved)+1, func(i int) bank.Reply {
		if i == len(proved) {
			return report(t, w, w.Payer.AccountIDs[0])
		}
		return w.Confirm(t, proved[i])
	}) {
		switch {
		case i < len(proved) && got.Code == "":
			moved++
		case i == len(proved) && got.Code != "", i < len(proved) && got.Code != "ACCOUNT_CLOSED":
			t.Errorf("%d: %s", i, got.Body)
		}
	}
	if got := w.Balance(t, w.Payee.AccountIDs[0]); int(got) != moved*1_00 {
		t.Errorf("%d transfers moved %s", moved, got.Yuan())
	}
	w.CheckLedger(t)
}

// A report reaches only the caller's own accounts, and opens no frozen one by a way around.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 5_00)
	foreign, none := report(t, w, w.Payee.AccountIDs[0]), report(t, w, uuid.New())
	foreign.Want(t, "OBJECT_NOT_FOUND")
	bank.WantSame(t, "a foreign account", foreign, none)
	for _, state := range []string{"frozen", "closed"} {
		w.Exec(t, "UPDATE account SET state = $1 WHERE id = $2", state, w.Payer.AccountIDs[1])
		report(t, w, w.Payer.AccountIDs[1]).Want(t, "ACCOUNT_CLOSED")
	}
	if n := w.Count(t, "SELECT count(*) FROM account WHERE state = 'lost'"); n != 0 {
		t.Errorf("%d accounts are lost", n)
	}
	w.Device(t, "stranger").Call(t, accountlossreport.Function, "", map[string]any{"account_id": uuid.New()}).Want(t, "SESSION_REQUIRED")
	w.Host.DB = pgtest.Broken(t)
	w.Phone.Call(t, accountlosslift.Function, "k", stepup.Confirmation{IntentID: uuid.New(), Proofs: []stepup.Proof{}}).
		Want(t, "SERVICE_UNAVAILABLE")
}
