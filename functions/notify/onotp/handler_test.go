package onotp_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	notifyonotp "github.com/tidebank/tidebank/functions/notify/onotp"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/test/smstest"
)

type fixture struct {
	bank.Pair
	sms *smssim.Gateway
}

const codeLife = time.Minute // the policy's figure

func newFixture(t *testing.T) fixture {
	t.Helper()
	p := bank.NewPair(t, 10_000_00)
	return fixture{p, smstest.Start(t, p.Bank, notifyonotp.Function)}
}

// ask asks for a code and returns the event that has it sent.
func (w fixture) ask(t *testing.T, request map[string]any) cloudevent.Event {
	t.Helper()
	before := len(w.Outbox(t, events.TypeOTPIssued))
	w.Phone.Call(t, otpsend.Function, "", request).Want(t, "")
	issued := w.Outbox(t, events.TypeOTPIssued)
	if len(issued) != before+1 {
		t.Fatalf("%d codes asked for, want one more than %d", len(issued), before)
	}
	e, err := issued[before].CloudEvent(w.Host.Keys)
	check.Must(t, err)
	return e
}

func (w fixture) askLogin(t *testing.T, phone string) cloudevent.Event {
	t.Helper()
	return w.ask(t, otptest.Request(t, w.Bank, w.Phone, otp.Login, phone))
}

func (w fixture) deliver(t *testing.T, e cloudevent.Event, want int) {
	t.Helper()
	if got := w.Deliver(t, notifyonotp.Function, e); got != want {
		t.Fatalf("delivery answered %d, want %d: %s", got, want, w.Log)
	}
}

func (w fixture) wantTexts(t *testing.T, want int) {
	t.Helper()
	if got := w.sms.Inbox(""); len(got) != want {
		t.Fatalf("%d texts went out, want %d: %v", len(got), want, got)
	}
}

var digits = regexp.MustCompile(`验证码(\d{6})，`)

// code is the code in the newest text, which must have gone to the payer.
func (w fixture) code(t *testing.T) string {
	t.Helper()
	texts := w.sms.Inbox("")
	if len(texts) == 0 || texts[0].Phone != w.Payer.Phone {
		t.Fatalf("no text to the payer: %v", texts)
	}
	found := digits.FindStringSubmatch(texts[0].Text)
	if found == nil {
		t.Fatalf("no code in %q", texts[0].Text)
	}
	return found[1]
}

func (w fixture) confirm(t *testing.T, intent transferprepare.Response, code string) bank.Reply {
	t.Helper()
	return w.Confirm(t, stepup.Confirmation{IntentID: intent.IntentID, Proofs: []stepup.Proof{
		{Factor: stepup.SMSOTP, Code: code}, w.Signed(t, intent),
	}})
}

func TestTextNamesThePurpose(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-004.1")
	w := newFixture(t)
	w.deliver(t, w.askLogin(t, w.Payer.Phone), http.StatusAccepted)
	code := w.code(t)
	want := "【潮汐银行】验证码" + code + "，用于登录手机银行，60秒内有效。请勿告诉任何人，包括银行工作人员。"
	if got := w.sms.Inbox(w.Payer.Phone)[0].Text; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	// The payee has not signed up.
	w.deliver(t, w.ask(t, otptest.Request(t, w.Bank, w.Phone, otp.Register, w.Payee.Phone)), http.StatusAccepted)
	texts := w.sms.Inbox(w.Payee.Phone)
	if len(texts) != 1 || !strings.Contains(texts[0].Text, "，用于开通手机银行，") {
		t.Errorf("texts to the payee: %v", texts)
	}
	for _, e := range w.Outbox(t, events.TypeOTPIssued) {
		if strings.Contains(string(e.Data), code) {
			t.Errorf("the event holds the code: %s", e.Data)
		}
	}
	if strings.Contains(w.Log.String(), code) {
		t.Error("the log holds the code")
	}
}

func TestACodeServesWhatItsTextSays(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-004.2", "OTP-004.3")
	w := newFixture(t)
	small, large := w.Prepare(t, w.ToPayee(1_00)), w.Prepare(t, w.ToPayee(1_234_56))
	w.deliver(t, w.ask(t, map[string]any{"purpose": otp.Intent, "intent_id": small.IntentID}), http.StatusAccepted)
	codeOfSmall := w.code(t)
	w.Advance(codeLife)
	w.deliver(t, w.askLogin(t, w.Payer.Phone), http.StatusAccepted)
	codeOfLogin := w.code(t)
	w.deliver(t, w.ask(t, map[string]any{"purpose": otp.Intent, "intent_id": large.IntentID}), http.StatusAccepted)
	codeOfLarge := w.code(t)
	text := w.sms.Inbox(w.Payer.Phone)[0].Text
	for _, part := range []string{
		"用于转账（", "收款户名：*四", "收款账户：" + large.PayeeAccountMasked, "1,234.56元",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not name %q", text, part)
		}
	}
	for _, secret := range []string{w.Payee.Name, w.Payee.Accounts[0].No, w.Payer.Accounts[0].No, w.Payer.Name} {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows %q", text, secret)
		}
	}
	if codeOfLarge == codeOfSmall || codeOfLarge == codeOfLogin {
		t.Fatal("two codes are alike, which happens by chance one time in 500,000")
	}
	w.confirm(t, large, codeOfLogin).Want(t, "PROOF_REJECTED")
	w.confirm(t, large, codeOfSmall).Want(t, "PROOF_REJECTED")
	w.confirm(t, small, codeOfLarge).Want(t, "PROOF_REJECTED")
	w.confirm(t, large, codeOfLarge).Want(t, "")
}

func TestNobodyToSendTo(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.deliver(t, w.askLogin(t, "13999999999"), http.StatusAccepted)
	w.deliver(t, w.askLogin(t, w.Payee.Phone), http.StatusAccepted) // has not signed up
	gone := events.OTPIssued{Challenge: "login:none", Purpose: otp.Login, CustomerID: w.Payer.ID.String()}
	w.deliver(t, w.Event(t, uuid.NewString(), events.TypeOTPIssued, gone.Challenge, gone), http.StatusAccepted)
	w.wantTexts(t, 0)
}

func TestAnExpiredCodeIsNotSent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		after time.Duration
		texts int
	}{{codeLife - time.Second, 1}, {codeLife, 0}, {codeLife + time.Second, 0}} {
		w := newFixture(t)
		e := w.askLogin(t, w.Payer.Phone)
		w.Advance(tt.after)
		w.deliver(t, e, http.StatusAccepted)
		w.deliver(t, e, http.StatusAccepted)
		w.wantTexts(t, tt.texts)
	}
}

func TestTheCodeOfACancelledIntentIsNotSent(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	intent := w.Prepare(t, w.ToPayee(1_00))
	e := w.ask(t, map[string]any{"purpose": otp.Intent, "intent_id": intent.IntentID})
	var unit pg.Unit
	stepup.CancelAll(&unit, w.Payer.ID)
	check.Must(t, w.Host.DB.Commit(t.Context(), &unit))
	w.deliver(t, e, http.StatusAccepted)
	w.wantTexts(t, 0)
}

func TestTwiceAndAtOnceSendOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	e := w.askLogin(t, w.Payer.Phone)
	for _, got := range check.AtOnce(6, func(int) int { return w.Deliver(t, notifyonotp.Function, e) }) {
		if got != http.StatusAccepted {
			t.Errorf("delivery answered %d: %s", got, w.Log)
		}
	}
	w.deliver(t, e, http.StatusAccepted)
	w.wantTexts(t, 1)
}

// A newer code voids an earlier one. The events of both find the newer code: the first
// event to arrive sends it, and the other sends nothing.
func TestALateEventSendsNoSecondText(t *testing.T) {
	t.Parallel()
	for _, reverse := range []bool{false, true} {
		w := newFixture(t)
		late := w.askLogin(t, w.Payer.Phone)
		w.Advance(codeLife + time.Second)
		order := []cloudevent.Event{late, w.askLogin(t, w.Payer.Phone)}
		if reverse {
			order[0], order[1] = order[1], order[0]
		}
		w.deliver(t, order[0], http.StatusAccepted)
		w.deliver(t, order[1], http.StatusAccepted)
		w.wantTexts(t, 1)
	}
}

func TestGatewayDownIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, faults := range []smssim.Faults{{FailNext: 2}, {SwallowAnswer: 2}} {
		w := newFixture(t)
		w.sms.SetFaults(faults)
		e := w.askLogin(t, w.Payer.Phone)
		w.deliver(t, e, http.StatusServiceUnavailable)
		w.deliver(t, e, http.StatusServiceUnavailable)
		w.deliver(t, e, http.StatusAccepted)
		w.wantTexts(t, 1)
	}
}

// A code that the gateway refuses for good is recorded, and the event is done.
func TestARefusedCodeIsRecorded(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.sms.SetFaults(smssim.Faults{Refuse: []string{w.Payer.Phone}})
	e := w.askLogin(t, w.Payer.Phone)
	w.deliver(t, e, http.StatusAccepted)
	w.deliver(t, e, http.StatusAccepted)
	w.wantTexts(t, 0)
	refused := w.Outbox(t, events.TypeMessageRefused)
	if len(refused) != 1 || !strings.Contains(string(refused[0].Data), `"kind": "otp"`) ||
		!strings.Contains(string(refused[0].Data), w.Payer.ID.String()) {
		t.Errorf("refusals recorded: %v", refused)
	}
}

// Codes may use the whole budget of texts. When it is used up, the customer is told at
// once when the next code may be asked for.
func TestTheBudgetOfCodes(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	use := func(span string, at time.Time, codes, notices int) {
		w.Exec(t, `INSERT INTO sms_use (span, starts_at, codes, notices) VALUES ($1, $2, $3, $4)
ON CONFLICT (span, starts_at) DO UPDATE SET codes = $3, notices = $4`, span, at, codes, notices)
	}
	ask := func() bank.Reply {
		return w.Phone.Call(t, otpsend.Function, "", map[string]any{
			"purpose": otp.Login, "phone": w.Payer.Phone,
			"device_public_key": w.Phone.PublicKey(t), "device_signature": w.Phone.Possession(t),
		})
	}
	use("minute", bank.Start, 0, 1999) // notices have used more than their part, for example before it was lowered
	e := w.askLogin(t, w.Payer.Phone)
	w.deliver(t, e, http.StatusAccepted)
	w.wantTexts(t, 1)
	if n := w.Count(t, "SELECT codes FROM sms_use WHERE span = 'minute'"); n != 1 {
		t.Errorf("%d codes are counted, want 1", n)
	}
	w.Advance(20 * time.Second)
	reply := ask()
	if reply.Want(t, "SMS_EXHAUSTED"); reply.Header.Get("Retry-After") != "40" {
		t.Errorf("wait %q seconds, want 40", reply.Header.Get("Retry-After"))
	}
	w.Advance(40 * time.Second)
	ask().Want(t, "")
	use("day", bank.Start.Add(-10*time.Hour), 400_000, 100_000)
	w.Advance(time.Minute)
	reply = ask()
	if reply.Want(t, "SMS_EXHAUSTED"); reply.Header.Get("Retry-After") != strconv.Itoa(14*60*60-120) {
		t.Errorf("wait %q seconds, want until midnight", reply.Header.Get("Retry-After"))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	e := w.askLogin(t, w.Payer.Phone)
	forged := e.Clone()
	forged.ID = uuid.NewString()
	intent := w.Prepare(t, w.ToPayee(1_00))
	w.ask(t, map[string]any{"purpose": otp.Intent, "intent_id": intent.IntentID})
	unnamed := events.OTPIssued{Challenge: stepup.Subject(intent.IntentID), Purpose: otp.Intent, IntentID: "x"}
	for name, e := range map[string]cloudevent.Event{
		"seal":       forged,
		"type":       w.Event(t, uuid.NewString(), events.TypeTransferPosted, "x", events.OTPIssued{}),
		"no intent":  w.Event(t, uuid.NewString(), events.TypeOTPIssued, "x", unnamed),
		"wrong data": w.Event(t, uuid.NewString(), events.TypeOTPIssued, "x", "text"),
	} {
		if got := w.Deliver(t, notifyonotp.Function, e); got != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", name, got)
		}
	}
	w.wantTexts(t, 0)
}

// The purpose in the text is the challenge's: an event can't rename it.
func TestTheChallengeNamesThePurpose(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.askLogin(t, w.Payer.Phone)
	subject := check.Value[string](t, w.Host.DB.Pool(), "SELECT subject FROM otp_challenge")
	renamed := events.OTPIssued{Challenge: subject, Purpose: otp.Register}
	w.deliver(t, w.Event(t, uuid.NewString(), events.TypeOTPIssued, subject, renamed), http.StatusAccepted)
	if got := w.sms.Inbox(w.Payer.Phone); len(got) != 1 || !strings.Contains(got[0].Text, "登录手机银行") {
		t.Fatalf("texts: %v", got)
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	e := w.askLogin(t, w.Payer.Phone)
	broken := bank.On(t, pgtest.Broken(t))
	broken.Host.Keys = w.Host.Keys
	gateway := smstest.Start(t, broken, notifyonotp.Function)
	if got := broken.Deliver(t, notifyonotp.Function, e); got != http.StatusServiceUnavailable {
		t.Fatalf("delivery answered %d, want 503", got)
	}
	if got := len(gateway.Inbox("")); got != 0 {
		t.Fatalf("%d texts went out", got)
	}
}
