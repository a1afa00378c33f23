package confirm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/transfer"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

func TestTransferMovesOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "XFER-001.2")
	req.Covers(t, "LOGIC-013.1")
	w := newFixture(t, 1_000_00)
	intent := w.prepare(t, 123_45)
	if !strings.Contains(intent.Text, "123.45元（壹佰贰拾叁元肆角伍分）") {
		t.Fatalf("text does not name the amount: %s", intent.Text)
	}
	proofs := w.proofs(t, intent)
	first := w.Phone.Call(t, transferconfirm.Function, "key-1", proofs)
	again := w.Phone.Call(t, transferconfirm.Function, "key-1", proofs)
	var view transfer.View
	first.Into(t, &view)
	if string(first.Body) != string(again.Body) {
		t.Fatalf("the repeated request got another answer:\n%s\n%s", first.Body, again.Body)
	}
	if got := w.Balance(t, w.Payer.AccountIDs[0]); got != 876_55 {
		t.Errorf("payer has %s", got.Yuan())
	}
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 123_45 {
		t.Errorf("payee has %s", got.Yuan())
	}
	if got := w.Outbox(t, events.TypeTransferPosted); len(got) != 1 || got[0].Subject != view.TransferID.String() {
		t.Errorf("events: %+v", got)
	}
	// An app that lost the answer and its key is told which transfer it was.
	late := w.Phone.Call(t, transferconfirm.Function, "key-2", proofs)
	if late.Want(t, "INTENT_USED"); late.Problem.ResultID != view.TransferID.String() || late.Status != http.StatusConflict {
		t.Errorf("the intent was used for %s, says %d %q", view.TransferID, late.Status, late.Problem.ResultID)
	}
	w.CheckLedger(t)
}

func TestSameKeyWithAnotherBodyIsRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-013.2")
	w := newFixture(t, 1_000_00)
	one, two := w.prepare(t, 1_00), w.prepare(t, 2_00)
	w.Phone.Call(t, transferconfirm.Function, "key", w.proofs(t, one)).Want(t, "")
	w.Phone.Call(t, transferconfirm.Function, "key", w.proofs(t, two)).Want(t, "IDEMPOTENCY_KEY_REUSED")
	w.CheckLedger(t)
}

// An app that lost the answer and its channel seals its passwords again. The request
// is still the same, because only the intent decides the effect.
func TestSameKeyWithOtherProofsGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-013.1")
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	prove := func() stepup.Confirmation {
		return confirmation(in.IntentID, w.Signed(t, in),
			w.Known(t))
	}
	var first, again transfer.View
	w.Phone.Call(t, transferconfirm.Function, "key", prove()).Into(t, &first)
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	w.Phone.Call(t, transferconfirm.Function, "key", prove()).Into(t, &again)
	if first != again {
		t.Errorf("%+v, then %+v", first, again)
	}
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 1_00 {
		t.Errorf("the payee has %s", got.Yuan())
	}
	w.CheckLedger(t)
}

// Fraud analysis grades the payer higher after the transfer was prepared. Its proofs
// are then not enough: the refusal names the missing one, which confirms the same intent.
func TestAGradeRaisedSincePrepareAsksForMore(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	proofs := w.proofs(t, in)
	w.Exec(t, "UPDATE customer SET risk_grade = 1 WHERE id = $1", w.Payer.ID)
	refused := w.Phone.Call(t, transferconfirm.Function, "key", proofs)
	refused.Want(t, "STEPUP_STRONGER")
	if diff := cmp.Diff([]string{"sms_otp+device_key+trade_password"}, refused.Problem.Combinations); diff != "" {
		t.Errorf("combinations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"trade_password"}, refused.Problem.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	proofs.Proofs = append(proofs.Proofs, w.Known(t))
	w.Phone.Call(t, transferconfirm.Function, "key", proofs).Want(t, "")
	w.CheckLedger(t)
}

// An intent without combinations for the raised grade is prepared again.
func TestAnIntentThatARaisedGradeClosesIsPreparedAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	proofs := w.proofs(t, in)
	proofs.Proofs = append(proofs.Proofs, w.Known(t))
	w.Exec(t, "UPDATE intent SET raised_combinations = '{}' WHERE id = $1", in.IntentID)
	w.Exec(t, "UPDATE customer SET risk_grade = 1 WHERE id = $1", w.Payer.ID)
	w.Phone.Call(t, transferconfirm.Function, "key", proofs).Want(t, "INTENT_EXPIRED")
	w.CheckLedger(t)
}

func TestProofsThatDoNotHold(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-015.2", "OTP-004.3")
	w := newFixture(t, 1_000_00)
	other := w.prepare(t, 2_00)
	foreign := w.otp(t, other)
	tests := []struct {
		name   string
		proofs func(t *testing.T, in transferprepare.Response) []stepup.Proof
		want   string
	}{
		{"no proof", func(*testing.T, transferprepare.Response) []stepup.Proof { return []stepup.Proof{} }, "STEPUP_STRONGER"},
		{"one factor of two", func(t *testing.T, in transferprepare.Response) []stepup.Proof {
			return []stepup.Proof{w.Signed(t, in)}
		}, "STEPUP_STRONGER"},
		{"the same factor twice", func(t *testing.T, in transferprepare.Response) []stepup.Proof {
			p := w.Signed(t, in)
			return []stepup.Proof{p, p}
		}, "PROOF_REJECTED"},
		{"another intent's code", func(t *testing.T, in transferprepare.Response) []stepup.Proof {
			w.otp(t, in)
			return []stepup.Proof{{Factor: stepup.SMSOTP, Code: foreign}, w.Signed(t, in)}
		}, "PROOF_REJECTED"},
		{"another intent's signature", func(t *testing.T, in transferprepare.Response) []stepup.Proof {
			return []stepup.Proof{
				{Factor: stepup.SMSOTP, Code: w.otp(t, in)}, w.Signed(t, other),
			}
		}, "PROOF_REJECTED"},
		{"wrong trade password", func(t *testing.T, in transferprepare.Response) []stepup.Proof {
			return []stepup.Proof{
				{Factor: stepup.SMSOTP, Code: w.otp(t, in)}, {Factor: stepup.TradePassword, Password: w.Phone.Password(t, "000000")},
			}
		}, "PROOF_REJECTED"},
		{"unknown factor", func(*testing.T, transferprepare.Response) []stepup.Proof {
			return []stepup.Proof{{Factor: "fingerprint"}}
		}, "PROOF_REJECTED"},
		{"right code and trade password", func(t *testing.T, in transferprepare.Response) []stepup.Proof {
			return []stepup.Proof{
				{Factor: stepup.SMSOTP, Code: w.otp(t, in)},
				w.Known(t),
			}
		}, ""},
	}
	for i, tt := range tests {
		in := w.prepare(t, 1_00)
		got := w.Phone.Call(t, transferconfirm.Function, fmt.Sprint("key", i), confirmation(in.IntentID, tt.proofs(t, in)...))
		if got.Code != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got.Code, tt.want)
		}
	}
	w.CheckLedger(t)
}

func TestCodeExpiresAndRunsOutOfTries(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-002.3")
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{{61 * time.Second, "PROOF_REJECTED"}, {59 * time.Second, ""}} {
		proofs := w.proofs(t, in)
		w.Advance(tt.after)
		w.Phone.Call(t, transferconfirm.Function, "key-"+tt.after.String(), proofs).Want(t, tt.want)
	}
	in = w.prepare(t, 1_00)
	wrong := w.proofs(t, in)
	right := w.proofs(t, in)
	wrong.Proofs[0].Code = otptest.Wrong(right.Proofs[0].Code)
	for i := range 5 {
		w.Phone.Call(t, transferconfirm.Function, fmt.Sprint("try", i), wrong).Want(t, "PROOF_REJECTED")
	}
	w.Phone.Call(t, transferconfirm.Function, "sixth", right).Want(t, "PROOF_REJECTED")
}

func TestParallelGuessesCannotExceedFiveTries(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	right := w.proofs(t, in)
	code, err := strconv.Atoi(right.Proofs[0].Code)
	check.Must(t, err)
	replies := check.AtOnce(20, func(i int) bank.Reply {
		wrong := fmt.Sprintf("%06d", (code+1+i)%1_000_000)
		guess := confirmation(in.IntentID, stepup.Proof{Factor: stepup.SMSOTP, Code: wrong}, right.Proofs[1])
		return w.Phone.Call(t, transferconfirm.Function, fmt.Sprint("guess", i), guess)
	})
	if won := bank.Won(t, replies, "PROOF_REJECTED"); won != 0 {
		t.Errorf("%d guesses were right", won)
	}
	tries := w.Count(t, "SELECT tries FROM otp_challenge WHERE subject = $1", stepup.Subject(in.IntentID))
	if tries != 5 {
		t.Fatalf("%d attempts were counted, want 5", tries)
	}
	w.Phone.Call(t, transferconfirm.Function, "right", right).Want(t, "PROOF_REJECTED")
}

func TestIntentsOfOthersAndOldOnes(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-007.3", "LOGIC-007.4")
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	proofs := w.proofs(t, in)
	stranger := w.Device(t, "phone-of-li")
	stranger.LoginAs(t, w.Payee)
	stranger.Call(t, transferconfirm.Function, "theirs", proofs).Want(t, "OBJECT_NOT_FOUND")
	proofs.IntentID = uuid.New()
	stranger.Call(t, transferconfirm.Function, "nobody's", proofs).Want(t, "OBJECT_NOT_FOUND")

	otherPhone := w.Device(t, "new-phone-of-wang")
	otherPhone.LoginAs(t, w.Payer)
	otherPhone.Call(t, transferconfirm.Function, "other device", w.proofs(t, in)).Want(t, "OBJECT_NOT_FOUND")
	w.Phone.Call(t, transferconfirm.Function, "displaced", w.proofs(t, in)).Want(t, "SESSION_DISPLACED")

	w.Phone.LoginAs(t, w.Payee) // another customer on the payer's phone
	w.Phone.Call(t, transferconfirm.Function, "same device", w.proofs(t, in)).Want(t, "OBJECT_NOT_FOUND")

	w.Phone.LoginAs(t, w.Payer)
	w.Advance(9 * time.Minute)
	late := w.prepare(t, 1_00)
	w.Advance(transfer.IntentLife - time.Minute)
	w.Phone.LoginAs(t, w.Payer)
	w.Advance(time.Minute)
	w.Phone.Call(t, transferconfirm.Function, "late", w.proofs(t, late)).Want(t, "INTENT_EXPIRED")
}

// Only wrong passwords lock: a right one beside a wrong code, or in a transfer that
// is refused for another reason, may come as often as it likes.
func TestARightPasswordNeverLocks(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	prove := func(in transferprepare.Response, signed string) stepup.Confirmation {
		return confirmation(in.IntentID, w.Signed(t, transferprepare.Response{Text: signed}),
			w.Known(t))
	}
	in := w.prepare(t, 1_000_00)
	for i := range 6 {
		w.Phone.Call(t, transferconfirm.Function, fmt.Sprint("signature", i), prove(in, "another text")).Want(t, "PROOF_REJECTED")
	}
	held := "UPDATE account SET held = $2 WHERE id = $1"
	w.Exec(t, held, w.Payer.AccountIDs[0], 1)
	for i := range 6 {
		w.Phone.Call(t, transferconfirm.Function, fmt.Sprint("funds", i), prove(in, in.Text)).Want(t, "FUNDS_INSUFFICIENT")
	}
	w.Exec(t, held, w.Payer.AccountIDs[0], 0)
	w.Phone.Call(t, transferconfirm.Function, "good", prove(in, in.Text)).Want(t, "")
	w.CheckLedger(t)
}

func TestWhatChangedSincePrepareRefuses(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	for i, tt := range []struct{ account uuid.UUID }{{w.Payer.AccountIDs[0]}, {w.Payee.AccountIDs[0]}} {
		in := w.prepare(t, 1_00)
		w.Exec(t, "UPDATE account SET state = 'lost' WHERE id = $1", tt.account)
		w.Phone.Call(t, transferconfirm.Function, fmt.Sprint("lost", i), w.proofs(t, in)).Want(t, "ACCOUNT_CLOSED")
		w.Exec(t, "UPDATE account SET state = 'open' WHERE id = $1", tt.account)
	}
	in := w.prepare(t, 900_00)
	w.Exec(t, "UPDATE account SET held = 50000 WHERE id = $1", w.Payer.AccountIDs[0])
	w.Phone.Call(t, transferconfirm.Function, "held", w.proofs(t, in)).Want(t, "FUNDS_INSUFFICIENT")
	w.Exec(t, "UPDATE customer SET risk_grade = 2 WHERE id = $1", w.Payer.ID)
	w.Phone.Call(t, transferconfirm.Function, "risk", w.proofs(t, in)).Want(t, "RISK_REFUSED")
	w.Exec(t, "UPDATE customer SET risk_grade = 0 WHERE id = $1", w.Payer.ID)
	w.Exec(t, "UPDATE account SET held = 0 WHERE id = $1", w.Payer.AccountIDs[0])
	w.Phone.Call(t, transferconfirm.Function, "held", w.proofs(t, in)).Want(t, "")
	w.CheckLedger(t)
}

func TestDayLimitHoldsUnderRaces(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-001.3")
	db, url := pgtest.NewURL(t)
	w := fixture{bank.PairOn(t, bank.On(t, db), 1_000_000_00)}
	instances, _ := twoInstances(t, w.Bank, url)
	slowLimits(t, db)
	w.Phone.Call(t, transferprepare.Function, "", w.request(50_000_01)).Want(t, "STEPUP_STRONGER")
	const each = 9_000_00
	var proofs [12]stepup.Confirmation // all prepared while the whole limit is left
	for i := range proofs {
		proofs[i] = w.proofs(t, w.prepare(t, each))
	}
	rest, over := w.proofs(t, w.prepare(t, 5_000_00)), w.proofs(t, w.prepare(t, 1))
	bank.Won(t, check.AtOnce(len(proofs), func(i int) bank.Reply {
		frame := w.Phone.Frame(t, transferconfirm.Function, fmt.Sprint("race", i), proofs[i])
		return w.Phone.SendTo(t, instances[i%2], transferconfirm.Function, frame)
	}), "LIMIT_EXCEEDED")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 5*each {
		t.Fatalf("%s moved in a day, want %s", got.Yuan(), money.Fen(5*each).Yuan())
	}
	w.Phone.Call(t, transferprepare.Function, "", w.request(5_000_01)).Want(t, "LIMIT_EXCEEDED") // told before anything is proved
	w.Phone.Call(t, transferconfirm.Function, "rest", rest).Want(t, "")
	w.Phone.Call(t, transferconfirm.Function, "over", over).Want(t, "LIMIT_EXCEEDED")
	w.Phone.Call(t, transferprepare.Function, "", w.request(1)).Want(t, "LIMIT_EXCEEDED")
	w.Advance(14 * time.Hour) // past midnight in Shanghai
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	w.Phone.Call(t, transferconfirm.Function, "tomorrow", w.proofs(t, w.prepare(t, 50_000_00))).Want(t, "")
	w.CheckLedger(t)
}

func TestOwnAccountsTakeOneFactor(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	in := w.Prepare(t, w.ToOwn(5_00))
	signed := w.Signed(t, in)
	w.Phone.Call(t, transferconfirm.Function, "own", confirmation(in.IntentID, signed)).Want(t, "")
	other := w.prepare(t, 5_00)
	signed.Signature = w.Signed(t, other).Signature
	w.Phone.Call(t, transferconfirm.Function, "other", confirmation(other.IntentID, signed)).Want(t, "STEPUP_STRONGER")
	w.CheckLedger(t)
}

// Between own accounts one fresh factor is enough, but not for a large amount.
func TestLargeTransfersTakeTwoFactors(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-006.1", "AUTH-006.2")
	w := newFixture(t, 1_000_000_00)
	var arrived money.Fen
	for _, tt := range []struct {
		amount money.Fen
		alone  string
	}{{stepup.LargeAmount, ""}, {stepup.LargeAmount + 1, "STEPUP_STRONGER"}} {
		in := w.Prepare(t, w.ToOwn(tt.amount))
		key := fmt.Sprint("large ", tt.amount)
		signed := w.Signed(t, in)
		w.Phone.Call(t, transferconfirm.Function, key, confirmation(in.IntentID, signed)).Want(t, tt.alone)
		if got := w.Balance(t, w.Payer.AccountIDs[1]); tt.alone != "" && got != arrived {
			t.Errorf("%s arrived by one factor", (got - arrived).Yuan())
		}
		arrived += tt.amount
		both := confirmation(in.IntentID, signed, w.Known(t))
		w.Phone.Call(t, transferconfirm.Function, key, both).Want(t, "")
	}
	if got := w.Balance(t, w.Payer.AccountIDs[1]); got != 2*stepup.LargeAmount+1 {
		t.Errorf("%s arrived", got.Yuan())
	}
	w.CheckLedger(t)
}

func TestConcurrentDuplicatesPostOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "XFER-001.2")
	req.Covers(t, "LOGIC-013.1")
	w := newFixture(t, 1_000_00)
	proofs := w.proofs(t, w.prepare(t, 10_00))
	replies := check.AtOnce(5, func(int) bank.Reply { return w.Phone.Call(t, transferconfirm.Function, "one key", proofs) })
	for _, r := range replies {
		if r.Code != "" || string(r.Body) != string(replies[0].Body) {
			t.Errorf("a concurrent duplicate got %d %s", r.Status, r.Body)
		}
	}
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 10_00 {
		t.Fatalf("%s moved, want 10.00", got.Yuan())
	}
	w.CheckLedger(t)
}

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	good := w.proofs(t, w.prepare(t, 1_00))
	raw := check.JSON(t, good)
	for _, tt := range []struct{ name, key, body, want string }{
		{"no key", "", string(raw), "IDEMPOTENCY_KEY_MISSING"},
		{"long key", strings.Repeat("k", 65), string(raw), "INPUT_INVALID"},
		{"unknown field", "a", strings.Replace(string(raw), "{", `{"amount_fen":1,`, 1), "INPUT_INVALID"},
		{"wrong type", "b", `{"intent_id":7,"proofs":[]}`, "INPUT_INVALID"},
		{"no uuid", "c", `{"intent_id":"x","proofs":[]}`, "INPUT_INVALID"},
		{"nothing", "d", `null`, "INPUT_INVALID"},
		{"array", "e", `[]`, "INPUT_INVALID"},
	} {
		if got := w.Phone.Call(t, transferconfirm.Function, tt.key, json.RawMessage(tt.body)); got.Code != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got.Code, tt.want)
		}
	}
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 0 {
		t.Fatalf("%s moved", got.Yuan())
	}
}
