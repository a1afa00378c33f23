package confirm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// proven confirms an intent under a fresh key.
func (w fixture) proven(t *testing.T, in transferprepare.Response, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, transferconfirm.Function, uuid.NewString(), confirmation(in.IntentID, proofs...))
}

// The SMS code's cap stays 50,000.00, also for a customer who has a token: above it, the
// token is asked for. The trade password beside the code has no cap of its own, and
// AUTH-006 demands a second factor.
func TestAboveTheSMSCodesCapOnlyATokenConfirms(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-001.1", "LIMIT-001.5")
	for _, own := range []bool{false, true} {
		w := newFixture(t, 1_000_000_00)
		request := w.request
		if own {
			request = w.ToOwn
		}
		w.Phone.Call(t, transferprepare.Function, "", request(50_000_01)).Want(t, "STEPUP_STRONGER")
		held := w.Token(t)
		at := w.Prepare(t, request(50_000_00))
		above := w.Prepare(t, request(50_000_01))
		if diff := cmp.Diff([]string{"sms_otp+token", "device_key+token", "trade_password+token"}, above.Combinations); diff != "" {
			t.Errorf("own %v: combinations (-want +got):\n%s", own, diff)
		}
		code := stepup.Proof{Factor: stepup.SMSOTP, Code: w.otp(t, above)}
		refused := w.proven(t, above, code, w.Known(t), w.Signed(t, above))
		refused.Want(t, "STEPUP_STRONGER")
		if diff := cmp.Diff([]string{"token"}, refused.Problem.Missing); diff != "" {
			t.Errorf("own %v: missing (-want +got):\n%s", own, diff)
		}
		w.proven(t, at, stepup.Proof{Factor: stepup.SMSOTP, Code: w.otp(t, at)}, w.Known(t)).Want(t, "")
		w.proven(t, above, code, bank.Responded(held, above.Text)).Want(t, "")
		if got := w.Balance(t, w.Payer.AccountIDs[0]); got != 1_000_000_00-100_000_01 {
			t.Errorf("own %v: %s is left", own, got.Yuan())
		}
		w.CheckLedger(t)
	}
}

// By token and any second factor, 1,000,000.00 passes, and 0.01 more is refused.
func TestCapOfTheToken(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-003.1")
	for _, second := range []stepup.Factor{stepup.SMSOTP, stepup.DeviceKey, stepup.TradePassword} {
		w := newFixture(t, 5_000_000_00)
		w.AllowLarge(t)
		held := w.Token(t)
		refused := w.Phone.Call(t, transferprepare.Function, "", w.request(1_000_000_01))
		if refused.Want(t, "STEPUP_STRONGER"); refused.Problem.Most == nil || *refused.Problem.Most != 1_000_000_00 {
			t.Errorf("the largest amount told is %v", refused.Problem.Most)
		}
		in := w.Prepare(t, w.request(1_000_000_00))
		c := w.by(t, in, stepup.Combination{second})
		c.Proofs = append(c.Proofs, bank.Responded(held, in.Text))
		w.Phone.Call(t, transferconfirm.Function, "key", c).Want(t, "")
		if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 1_000_000_00 {
			t.Errorf("by %s: %s arrived", second, got.Yuan())
		}
		w.Phone.Call(t, transferprepare.Function, "", w.ToOwn(50_000_01)).Want(t, "LIMIT_EXCEEDED") // the day is used up
		w.Prepare(t, w.ToOwn(50_000_00))                                                            // the SMS code's day is its own
		w.CheckLedger(t)
	}
}

// Transfers by token of one day are one sum, also when all are confirmed at once on two
// instances.
func TestOneSumOfADayByToken(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-003.2")
	db, url := pgtest.NewURL(t)
	w := fixture{bank.PairOn(t, bank.On(t, db), 9_000_000_00)}
	instances, _ := twoInstances(t, w.Bank, url)
	slowLimits(t, db)
	held := w.Token(t)
	by := func(request map[string]any) stepup.Confirmation {
		in := w.Prepare(t, request)
		return confirmation(in.IntentID, w.Signed(t, in), bank.Responded(held, in.Text))
	}
	const each = 180_000_00
	var proofs [10]stepup.Confirmation // all prepared while the whole limit is left
	for i := range proofs {
		proofs[i] = by(w.request(each))
		if i%2 == 0 {
			proofs[i] = by(w.ToOwn(each))
		}
	}
	over, rest := by(w.ToOwn(100_000_01)), by(w.request(100_000_00))
	moved := func() money.Fen { return 9_000_000_00 - w.Balance(t, w.Payer.AccountIDs[0]) }
	for tries := 0; moved() < 5*each && tries < 10; tries++ { // a right response may have to wait for others in flight
		for _, r := range check.AtOnce(len(proofs), func(i int) bank.Reply {
			frame := w.Phone.Frame(t, transferconfirm.Function, fmt.Sprint("race", i), proofs[i])
			return w.Phone.SendTo(t, instances[i%2], transferconfirm.Function, frame)
		}) {
			if r.Code != "" && r.Code != "LIMIT_EXCEEDED" && r.Code != "REQUEST_IN_PROGRESS" {
				t.Fatalf("%d %s", r.Status, r.Code)
			}
		}
	}
	if got := moved(); got != 5*each {
		t.Fatalf("%s moved in a day, want %s", got.Yuan(), money.Fen(5*each).Yuan())
	}
	w.Phone.Call(t, transferconfirm.Function, "over", over).Want(t, "LIMIT_EXCEEDED")
	w.Phone.Call(t, transferconfirm.Function, "rest", rest).Want(t, "")
	if got := moved(); got != 1_000_000_00 {
		t.Errorf("%s moved in a day", got.Yuan())
	}
	w.CheckLedger(t)
}

// The challenge is the transfer's: its digits hold the payee's account, code and the amount
// that the token's screen shows, and differ for another payee or amount. It is told only to
// a customer who has a token.
func TestTheChallengeIsTheTransfers(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-016.1")
	w := newFixture(t, 5_000_00)
	if in := w.prepare(t, 1_00); in.Challenge != "" {
		t.Errorf("without a token the challenge is %q", in.Challenge)
	}
	held := w.Token(t)
	other := w.ToPayee(1_00)
	other["payee_account_no"] = w.Payee.Accounts[1].No
	seen := map[string]bool{}
	for _, request := range []map[string]any{w.ToPayee(1_00), w.ToPayee(1_00), w.ToPayee(1_01), w.ToPayee(11_00), other, w.ToOwn(1_00)} {
		in := w.Prepare(t, request)
		shown := held.Screen(in.Text)
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, strings.Join(shown, ""))
		want := []string{"收款账户：" + in.PayeeAccountMasked, "收款识别码：" + in.PayeeCode}
		if !slices.Equal(shown[:2], want) || !strings.HasPrefix(shown[2], "金额：人民币") || len(shown) != 3 {
			t.Errorf("the screen shows %q", shown)
		}
		if in.Challenge != token.Challenge(in.Text) || !strings.HasPrefix(in.Challenge, digits) || len(in.Challenge) != len(digits)+8 {
			t.Errorf("the challenge is %q, the screen holds %q", in.Challenge, digits)
		}
		seen[in.Challenge] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d challenges of 6 transfers", len(seen))
	}
}

// A response confirms only the transfer whose challenge it answers.
func TestAResponseIsForItsTransferOnly(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-016.2")
	w := newFixture(t, 5_000_00)
	held := w.Token(t)
	stranger := w.HandOut(t, w.Payee, token.SM3)
	w.Exec(t, "UPDATE token SET state = 'active'")
	in, amount := w.prepare(t, 1_00), w.prepare(t, 1_01)
	other := w.ToPayee(1_00)
	other["payee_account_no"] = w.Payee.Accounts[1].No
	payee := w.Prepare(t, other)
	for name, response := range map[string]string{
		"of another amount": held.Response(amount.Text), "of another payee": held.Response(payee.Text),
		"without a challenge": held.Answer(""), "of a changed text": held.Response(in.Text + " "),
		"of another's token":                        stranger.Response(in.Text),
		"of the digits that the screen shows alone": held.Answer(in.Challenge[:len(in.Challenge)-8]),
		"by the other algorithm":                    token.Response(token.SM4, held.Seed, held.Now(), in.Challenge),
		"of three minutes ago":                      bank.Ahead(held, -3*time.Minute).Response(in.Text),
		"of three minutes ahead":                    bank.Ahead(held, 3*time.Minute).Response(in.Text),
	} {
		w.Exec(t, "UPDATE token SET wrong_responses = 0")
		proof := stepup.Proof{Factor: stepup.Token, Code: response}
		if got := w.proven(t, in, w.Signed(t, in), proof); got.Code != "PROOF_REJECTED" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	if n := w.Count(t, "SELECT count(*) FROM transfer"); n != 0 {
		t.Errorf("%d transfers are posted", n)
	}
	w.proven(t, in, w.Signed(t, in), bank.Responded(held, in.Text)).Want(t, "")
}

// A response is good once, also at once on two instances, and after Redis has lost
// everything.
func TestAResponseIsUsedOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-016.3")
	db, url := pgtest.NewURL(t)
	w := fixture{bank.PairOn(t, bank.On(t, db), 5_000_00)}
	instances, _ := twoInstances(t, w.Bank, url)
	held := w.Token(t)
	in := w.prepare(t, 1_00)
	c := confirmation(in.IntentID, w.Signed(t, in), bank.Responded(held, in.Text))
	won := 0
	for _, r := range check.AtOnce(20, func(i int) bank.Reply {
		frame := w.Phone.Frame(t, transferconfirm.Function, fmt.Sprint("race", i), c)
		return w.Phone.SendTo(t, instances[i%2], transferconfirm.Function, frame)
	}) {
		switch r.Code {
		case "":
			won++
		case "INTENT_USED", "REQUEST_IN_PROGRESS":
		default:
			t.Errorf("%d %s", r.Status, r.Code)
		}
	}
	if won != 1 {
		t.Errorf("%d of 20 confirmed", won)
	}
	w.Redis.FlushAll()
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	w.Phone.Call(t, transferconfirm.Function, "again", c).Want(t, "INTENT_USED")
	next := w.prepare(t, 1_00)
	again := confirmation(next.IntentID, w.Signed(t, next), c.Proofs[1])
	if got := w.Phone.Call(t, transferconfirm.Function, "next", again); got.Code != "PROOF_REJECTED" {
		t.Errorf("for the next transfer: %d %q", got.Status, got.Code)
	}
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 1_00 {
		t.Errorf("the payee has %s", got.Yuan())
	}
	w.CheckLedger(t)
}

// The bank follows a clock that drifts by a minute at a time, and loses one that jumps.
func TestTheBankFollowsTheTokensClock(t *testing.T) {
	t.Parallel()
	for _, by := range []token.Algorithm{token.SM3, token.SM4} {
		w := newFixture(t, 5_000_00)
		held := w.HandOut(t, w.Payer, by)
		w.Exec(t, "UPDATE token SET state = 'active'")
		pays := func(ahead time.Duration) string {
			in := w.prepare(t, 1_00)
			return w.proven(t, in, w.Signed(t, in), bank.Responded(bank.Ahead(held, ahead), in.Text)).Code
		}
		for minute := range 5 {
			if got := pays(time.Duration(minute) * time.Minute); got != "" {
				t.Errorf("%s: %d minutes ahead gets %q", by, minute, got)
			}
		}
		if got := pays(2 * time.Minute); got != "PROOF_REJECTED" {
			t.Errorf("%s: a step of two minutes gets %q", by, got)
		}
		for minute := 3; minute > -3; minute-- {
			if got := pays(time.Duration(minute) * time.Minute); got != "" {
				t.Errorf("%s: back to %d minutes gets %q", by, minute, got)
			}
		}
	}
}

// Five wrong responses in a row lock the token, whichever transfers they are for; the right
// response is then refused until the lock has ended. Parallel guesses count each, and Redis
// plays no part.
func TestWrongResponsesLockTheToken(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5_000_00)
	held := w.Token(t)
	guess := func(made client.Token) bank.Reply {
		in := w.prepare(t, 1_00)
		return w.proven(t, in, w.Signed(t, in), bank.Responded(made, in.Text))
	}
	wrong := bank.Ahead(held, time.Hour)
	for left := 4; left > 0; left-- {
		got := guess(wrong)
		if got.Want(t, "PROOF_REJECTED"); got.Problem.TriesLeft == nil || *got.Problem.TriesLeft != left {
			t.Errorf("%v tries are left, want %d", got.Problem.TriesLeft, left)
		}
	}
	guess(held).Want(t, "") // begins the row anew
	for left := 4; left >= 0; left-- {
		got := guess(wrong)
		if got.Want(t, "PROOF_REJECTED"); *got.Problem.TriesLeft != left || (left == 0) != (got.Problem.LockedUntil != nil) {
			t.Errorf("%d tries are left, want %d; locked until %v", *got.Problem.TriesLeft, left, got.Problem.LockedUntil)
		}
	}
	w.Redis.FlushAll()
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	w.Advance(30*time.Minute - time.Second)
	w.Phone.LoginAs(t, w.Payer)
	got := guess(held)
	if got.Want(t, "TOKEN_LOCKED"); got.Problem.LockedUntil == nil || got.Header.Get("Retry-After") != "1" {
		t.Errorf("locked until %v, wait %q", got.Problem.LockedUntil, got.Header.Get("Retry-After"))
	}
	w.Advance(time.Second)
	guess(held).Want(t, "")

	in := w.prepare(t, 1_00)
	refused := check.AtOnce(50, func(i int) bank.Reply {
		return w.proven(t, in, w.Signed(t, in), stepup.Proof{Factor: stepup.Token, Code: fmt.Sprintf("%06d", i)})
	})
	for _, r := range refused {
		if r.Code != "PROOF_REJECTED" && r.Code != "TOKEN_LOCKED" && r.Code != "REQUEST_IN_PROGRESS" {
			t.Errorf("%d %s", r.Status, r.Code)
		}
	}
	if n := w.Count(t, "SELECT wrong_responses + in_flight FROM token"); n != 5 {
		t.Errorf("%d guesses were compared", n)
	}
	guess(held).Want(t, "TOKEN_LOCKED")
}

// A customer without a token, or with one that is not bound, confirms nothing by a token.
func TestATokenThatIsNotInUse(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 5_000_00)
	in := w.prepare(t, 1_00)
	w.proven(t, in, w.Signed(t, in), stepup.Proof{Factor: stepup.Token, Code: "123456"}).Want(t, "PROOF_REJECTED")
	issued := w.HandOut(t, w.Payer, token.SM3)
	w.proven(t, in, w.Signed(t, in), bank.Responded(issued, in.Text)).Want(t, "PROOF_REJECTED")
	w.Exec(t, "UPDATE token SET seed_ct = set_byte(seed_ct, 20, get_byte(seed_ct, 20) # 1), state = 'active'")
	in = w.prepare(t, 1_00)
	w.proven(t, in, w.Signed(t, in), bank.Responded(issued, in.Text)).Want(t, "PROOF_REJECTED") // the seed is damaged
	refused := w.proven(t, in, w.Signed(t, in), stepup.Proof{Factor: stepup.Token})
	if refused.Want(t, "INPUT_INVALID"); refused.Problem.Field != "proofs[1].code" {
		t.Errorf("the field is %q", refused.Problem.Field)
	}
	w.proven(t, in, w.Signed(t, in), w.Known(t)).Want(t, "")
}

// A young key confirms nothing together with a token, so the sum of its day stays low.
func TestAYoungKeyBesideAToken(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 900_000_00)
	w.Token(t)
	w.Exec(t, "UPDATE device SET bound_at = $1", w.Clock.Now())
	for amount, want := range map[money.Fen][]string{
		5_000_00: {
			"sms_otp+device_key", "sms_otp+trade_password", "device_key+trade_password", "sms_otp+token", "trade_password+token",
		},
		5_000_01:  {"sms_otp+trade_password", "sms_otp+token", "trade_password+token"},
		50_000_01: {"sms_otp+token", "trade_password+token"},
	} {
		if diff := cmp.Diff(want, w.prepare(t, amount).Combinations); diff != "" {
			t.Errorf("%s (-want +got):\n%s", amount.Yuan(), diff)
		}
	}
}
