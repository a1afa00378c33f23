package limitset_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	accountchangeprepare "github.com/tidebank/tidebank/functions/account/changeprepare"
	accountlimitget "github.com/tidebank/tidebank/functions/account/limitget"
	accountlimitset "github.com/tidebank/tidebank/functions/account/limitset"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// limits sets the limits of transfers by code and the like, by the proofs.
func limits(t *testing.T, w bank.Pair, transfer, day int64, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	in := w.PrepareAccount(t, bank.Limits("sms", transfer, day))
	return w.Phone.ConfirmBy(t, accountlimitset.Function, in.IntentID, append(proofs, w.Phone.SignedText(t, in.Text))...)
}

// One factor lowers a limit, and the next transfer above it is refused: also one that is prepared already,
// and one above the rest of the day. To raise the limit takes two factors. Both figures hold to the fen.
func TestOwnLimits(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-006.1", "ACCT-006.2")
	w := bank.NewPair(t, 1_000_000_00)
	early := w.Prepare(t, w.ToPayee(100_01))
	limits(t, w, 100_00, 150_00).Want(t, "")
	got := w.Confirm(t, w.Proved(t, early))
	if got.Want(t, "LIMIT_EXCEEDED"); got.Problem.RetryAfter != 0 {
		t.Errorf("an amount above the own limit is to fit after %d seconds", got.Problem.RetryAfter)
	}
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(100_01)).Want(t, "LIMIT_EXCEEDED")
	w.Phone.Call(t, transferprepare.Function, "", w.ToOwn(100_01)).Want(t, "LIMIT_EXCEEDED")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(100_00)))).Want(t, "")
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(50_01)).Want(t, "LIMIT_EXCEEDED")
	both := []stepup.Confirmation{w.Proved(t, w.Prepare(t, w.ToPayee(50_00))), w.Proved(t, w.Prepare(t, w.ToPayee(50_00)))}
	passed := 0
	for _, got := range check.AtOnce(2, func(i int) bank.Reply { return w.Confirm(t, both[i]) }) {
		if got.Code == "" {
			passed++
		} else {
			if got.Want(t, "LIMIT_EXCEEDED"); got.Problem.RetryAfter == 0 {
				t.Error("an amount above the rest of the day does not tell when it fits")
			}
		}
	}
	if passed != 1 {
		t.Errorf("%d of two transfers passed, with room for one", passed)
	}

	limits(t, w, 100_00, 150_01).Want(t, "STEPUP_STRONGER")
	limits(t, w, 100_01, 150_00).Want(t, "STEPUP_STRONGER")
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1)).Want(t, "LIMIT_EXCEEDED")
	limits(t, w, 200_00, 350_00, w.Known(t)).Want(t, "")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(200_00)))).Want(t, "")
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1)).Want(t, "LIMIT_EXCEEDED")
	w.CheckLedger(t)
}

// No proofs raise a limit above the bank's maximum of its method: each fen above is refused before any
// proof is asked for, also for a customer with a soft UKey, which has a maximum of its own.
func TestTheBanksMaximum(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-006.3")
	w := bank.NewPair(t, 1_000_000_00)
	w.SoftUKey(t, w.Payer, cert.AtCounter)
	for method, most := range map[string]int64{
		"sms": 50_000_00, "token": 1_000_000_00, "soft_ukey": 1_000_000_00, "phone_shield": 200_000_00,
	} {
		w.Phone.Call(t, accountchangeprepare.Function, "", bank.Limits(method, most, most)).Want(t, "")
		w.Phone.Call(t, accountchangeprepare.Function, "", bank.Limits(method, 1, most+1)).Want(t, "LIMIT_EXCEEDED")
		w.Phone.Call(t, accountchangeprepare.Function, "", bank.Limits(method, most+1, most+1)).Want(t, "LIMIT_EXCEEDED")
	}
	limits(t, w, 1_00, 1_00).Want(t, "")
	w.Phone.Call(t, accountchangeprepare.Function, "", bank.Limits("sms", 50_000_00, 50_000_01)).Want(t, "LIMIT_EXCEEDED")
	limits(t, w, 50_000_00, 50_000_00, w.Known(t)).Want(t, "")
	w.Exec(t, "UPDATE own_limit SET per_transfer = 99999999, per_day = 99999999") // as if the bank had lowered its own since
	for _, c := range w.Prepare(t, w.ToPayee(50_000_01)).Combinations {
		if !strings.Contains(c, "soft_ukey_counter") {
			t.Errorf("%s confirms more than the bank's maximum of its method", c)
		}
	}
}

// A change that was prepared to lower the limit does not take back a lower one that was set since.
func TestALateLoweringRaisesNothing(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 1_000_00)
	late := w.PrepareAccount(t, bank.Limits("sms", 500_00, 500_00))
	limits(t, w, 100_00, 100_00).Want(t, "")
	w.Phone.ConfirmBy(t, accountlimitset.Function, late.IntentID, w.Phone.SignedText(t, late.Text)).Want(t, "INTENT_EXPIRED")
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(100_01)).Want(t, "LIMIT_EXCEEDED")
}

// A raise that was prepared before does not take back a lower limit that was set since, and raises the limit that it was
// prepared from.
func TestALateRaiseTakesNothingBack(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 1_000_00)
	limits(t, w, 300_00, 300_00).Want(t, "")
	late := w.PrepareAccount(t, bank.Limits("sms", 500_00, 500_00))
	again := w.PrepareAccount(t, bank.Limits("sms", 400_00, 400_00))
	raise := func(in accountchangeprepare.Response) bank.Reply {
		return w.Phone.ConfirmBy(t, accountlimitset.Function, in.IntentID, w.Known(t), w.Phone.SignedText(t, in.Text))
	}
	limits(t, w, 299_99, 300_00).Want(t, "")
	raise(late).Want(t, "INTENT_EXPIRED")
	limits(t, w, 299_99, 299_99).Want(t, "")
	limits(t, w, 299_99, 300_00, w.Known(t)).Want(t, "")
	raise(late).Want(t, "INTENT_EXPIRED")
	limits(t, w, 300_00, 300_00, w.Known(t)).Want(t, "")
	raise(again).Want(t, "")
	raise(late).Want(t, "INTENT_EXPIRED")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(400_00)))).Want(t, "")
}

// What the customer is shown.
func TestLimitsAreShown(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 1_000_00)
	limits(t, w, 100_00, 150_00).Want(t, "")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(30_00)))).Want(t, "")
	var reply accountlimitget.Response
	w.Phone.Call(t, accountlimitget.Function, "", struct{}{}).Into(t, &reply)
	want := []accountlimitget.Limit{
		{Method: "sms", PerTransfer: 100_00, PerDay: 150_00, BankPerTransfer: 50_000_00, BankPerDay: 50_000_00, Used: 30_00, Own: true},
		{Method: "token", PerTransfer: 1_000_000_00, PerDay: 1_000_000_00, BankPerTransfer: 1_000_000_00, BankPerDay: 1_000_000_00},
		{Method: "soft_ukey", PerTransfer: 1_000_000_00, PerDay: 1_000_000_00, BankPerTransfer: 1_000_000_00, BankPerDay: 1_000_000_00},
		{Method: "phone_shield", PerTransfer: 200_000_00, PerDay: 200_000_00, BankPerTransfer: 200_000_00, BankPerDay: 200_000_00},
	}
	if diff := cmp.Diff(want, reply.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

// A request holds exactly what its change needs.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 0)
	for name, request := range map[string]map[string]any{
		"a day below a transfer": bank.Limits("sms", 2, 1),
		"no method":              {"change": "limit", "per_transfer_fen": 1, "per_day_fen": 1},
		"another method":         bank.Limits("face", 1, 1),
		"an account":             bank.With(t, bank.Limits("sms", 1, 1), "account_id", w.Payer.AccountIDs[0]),
		"no account":             {"change": "loss_lift"},
		"no number":              {"change": "account_add"},
		"no such change":         {"change": "name"},
	} {
		if got := w.Phone.Call(t, accountchangeprepare.Function, "", request); got.Code != "INPUT_INVALID" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
}
