package confirm_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/functions/transfer"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/req"
)

// settled sends a confirmation, and again under its key while the answer is that it is in
// progress.
func (w fixture) settled(t *testing.T, key string, c stepup.Confirmation) bank.Reply {
	t.Helper()
	for {
		got := w.Phone.Call(t, transferconfirm.Function, key, c)
		if got.Code != "REQUEST_IN_PROGRESS" {
			return got
		}
		if got.Status != http.StatusConflict || got.Header.Get("Retry-After") != "1" {
			t.Errorf("in progress: %d, Retry-After %q", got.Status, got.Header.Get("Retry-After"))
		}
	}
}

// wantNothingCounted sees that no attempt of the payer stands.
func (w fixture) wantNothingCounted(t *testing.T) {
	t.Helper()
	if n := w.Count(t, `
SELECT count(*) FROM credential
 WHERE customer_id = $1 AND (trade_failures, trade_in_flight, trade_day_failures) = (0, 0, 0) AND trade_locked_until IS NULL`,
		w.Payer.ID); n != 1 {
		t.Error("an attempt at the trade password is counted, or it is locked")
	}
}

// However many right confirmations come at once, each is carried out and nothing locks.
func TestRightConfirmationsAtOnceLockNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	const rounds, many = 6, 8
	for round := range rounds {
		var confirmations [many]stepup.Confirmation
		for i := range confirmations {
			in := w.prepare(t, 1_00)
			confirmations[i] = confirmation(in.IntentID, w.Signed(t, in), w.Known(t))
		}
		for i, got := range check.AtOnce(many, func(i int) bank.Reply {
			return w.settled(t, fmt.Sprint(round, " ", i), confirmations[i])
		}) {
			if got.Code != "" {
				t.Errorf("round %d, number %d: %q", round, i, got.Code)
			}
		}
		w.wantNothingCounted(t)
	}
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != rounds*many*1_00 {
		t.Errorf("%s moved", got.Yuan())
	}
	w.CheckLedger(t)
}

// Many identical confirmations at once get one answer, also more than a code has tries.
func TestIdenticalConfirmationsGetOneAnswer(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-013.1")
	w := newFixture(t, 1_000_00)
	const rounds, many = 5, 10
	for round := range rounds {
		in := w.prepare(t, 1_00)
		c := w.proofs(t, in)
		c.Proofs = append(c.Proofs, w.Known(t))
		replies := check.AtOnce(many, func(int) bank.Reply { return w.settled(t, fmt.Sprint("key ", round), c) })
		for _, got := range replies {
			if got.Code != "" || string(got.Body) != string(replies[0].Body) {
				t.Errorf("round %d: %d %s", round, got.Status, got.Body)
			}
		}
		w.wantNothingCounted(t)
	}
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != rounds*1_00 {
		t.Errorf("%s moved", got.Yuan())
	}
	w.CheckLedger(t)
}

// Right confirmations of one intent under several keys: one is carried out, and the
// others are told which transfer it was. None is told that its proofs are wrong.
func TestOneIntentUnderManyKeys(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	const rounds, many = 5, 10
	for round := range rounds {
		in := w.prepare(t, 1_00)
		c := w.proofs(t, in)
		won := 0
		for _, got := range check.AtOnce(many, func(i int) bank.Reply { return w.settled(t, fmt.Sprint(round, " ", i), c) }) {
			switch got.Code {
			case "":
				var view transfer.View
				got.Into(t, &view)
				won++
			case "INTENT_USED":
				if got.Problem.ResultID != in.IntentID.String() {
					t.Errorf("the result is said to be %q", got.Problem.ResultID)
				}
			default:
				t.Errorf("round %d: %d %q", round, got.Status, got.Code)
			}
		}
		if won != 1 {
			t.Errorf("round %d: %d were carried out", round, won)
		}
	}
	w.CheckLedger(t)
}

// While another transaction holds the payer's account, the request and its duplicates are
// answered in time that they are in progress. Later the same key is carried out.
func TestADuplicateDuringALockWait(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	c := w.proofs(t, w.prepare(t, 1_00))
	holder, err := w.Host.DB.Pool().Begin(t.Context())
	check.Must(t, err)
	check.Exec(t, holder, "SELECT FROM account WHERE id = $1 FOR UPDATE", w.Payer.AccountIDs[0])
	for i, got := range check.AtOnce(4, func(int) bank.Reply { return w.Phone.Call(t, transferconfirm.Function, "key", c) }) {
		if got.Code != "REQUEST_IN_PROGRESS" || got.Status != http.StatusConflict || got.Header.Get("Retry-After") != "1" {
			t.Errorf("number %d: %d %q, Retry-After %q", i, got.Status, got.Code, got.Header.Get("Retry-After"))
		}
	}
	check.Must(t, holder.Rollback(t.Context()))
	w.settled(t, "key", c).Want(t, "")
	w.wantNothingCounted(t)
	w.CheckLedger(t)
}

// At the day's cap, the refusal tells the time until midnight in Shanghai. An amount that
// no day allows has no such time.
func TestTheDaysCapTellsWhenItEnds(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_000_00)
	late := w.proofs(t, w.prepare(t, 1_00))
	w.Phone.Call(t, transferconfirm.Function, "all", w.proofs(t, w.prepare(t, 50_000_00))).Want(t, "")
	const untilMidnight = "50400" // it is 10:00
	for name, got := range map[string]bank.Reply{
		"confirm": w.Phone.Call(t, transferconfirm.Function, "late", late),
		"prepare": w.Phone.Call(t, functest.Named(t, "transfer-prepare"), "", w.request(1)),
	} {
		if got.Code != "LIMIT_EXCEEDED" || got.Header.Get("Retry-After") != untilMidnight {
			t.Errorf("%s: %q, Retry-After %q", name, got.Code, got.Header.Get("Retry-After"))
		}
	}
	w.Exec(t, "UPDATE policy SET value = 1000 WHERE name = 'transfer.sms.day_cap'")
	got := w.Phone.Call(t, functest.Named(t, "transfer-prepare"), "", w.request(1_001))
	if got.Code != "LIMIT_EXCEEDED" || got.Header.Get("Retry-After") != "" {
		t.Errorf("above the cap of every day: %q, Retry-After %q", got.Code, got.Header.Get("Retry-After"))
	}
}

// A wrong trade password tells the tries that are left, and a locked one when the lock
// ends. The clock stands still, so the times are exact.
func TestALoggedInCustomerIsToldTheTriesLeft(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	guess := func(i int) bank.Reply {
		wrong := stepup.Proof{Factor: stepup.TradePassword, Password: w.Phone.Password(t, "000000")}
		return w.Phone.Call(t, transferconfirm.Function, fmt.Sprint("guess ", i), confirmation(in.IntentID, w.Signed(t, in), wrong))
	}
	for i := range 5 {
		got := guess(i)
		got.Want(t, "PROOF_REJECTED")
		left := got.Problem.TriesLeft
		if left == nil || *left != 4-i || (got.Problem.LockedUntil != nil) != (i == 4) {
			t.Errorf("after %d wrong ones: %s", i+1, got.Body)
		}
	}
	got := guess(5)
	got.Want(t, "TRADE_PASSWORD_LOCKED")
	if until := got.Problem.LockedUntil; until == nil || until.Sub(w.Clock.Now()) != 30*time.Minute ||
		got.Header.Get("Retry-After") != "1800" {
		t.Errorf("locked: %s, Retry-After %q", got.Body, got.Header.Get("Retry-After"))
	}
	alone := w.Phone.Call(t, transferconfirm.Function, "alone", confirmation(in.IntentID, w.Signed(t, in)))
	alone.Want(t, "STEPUP_STRONGER")
	if diff := cmp.Diff([]string{"sms_otp", "trade_password"}, alone.Problem.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}
