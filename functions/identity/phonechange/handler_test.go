package phonechange_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	identityphonechange "github.com/tidebank/tidebank/functions/identity/phonechange"
	notifyonotp "github.com/tidebank/tidebank/functions/notify/onotp"
	notifyonphone "github.com/tidebank/tidebank/functions/notify/onphone"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/test/smstest"
)

const fresh, free, wrong = "13900002222", "13900003333", "not-it-2026"

type fixture struct {
	bank.Pair
	sms *smssim.Gateway
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	w := fixture{Pair: bank.NewPair(t, 100_00)}
	w.sms = smstest.Start(t, w.Bank, notifyonotp.Function, notifyonphone.Function)
	return w
}

// told delivers the newest event of a type, twice: it has its effect once.
func (w fixture) told(t *testing.T, f fn.Function, kind string) {
	t.Helper()
	stored := w.Outbox(t, kind)
	if len(stored) == 0 {
		t.Fatalf("no event %s", kind)
	}
	e, err := stored[len(stored)-1].CloudEvent(w.Host.Keys)
	check.Must(t, err)
	for range 2 {
		if got := w.Deliver(t, f, e); got != http.StatusAccepted {
			t.Fatalf("the delivery got %d: %s", got, w.Log)
		}
	}
}

func (w fixture) prepare(t *testing.T, p bank.Pair, number string) (in identitychangeprepare.Response) {
	t.Helper()
	p.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": "phone", "phone": number}).Into(t, &in)
	return in
}

// newCode asks for the code to the new number and reads it there.
func (w fixture) newCode(t *testing.T, p bank.Pair, intent uuid.UUID) string {
	t.Helper()
	w.Exec(t, "DELETE FROM otp_quota")
	p.Phone.Call(t, otpsend.Function, "", map[string]any{"purpose": otp.NewPhone, "intent_id": intent}).Want(t, "")
	return otptest.Code(t, w.Bank, stepup.NewPhoneSubject(intent))
}

// right is a good request of a pair's payer.
func (w fixture) right(t *testing.T, p bank.Pair, number string) identityphonechange.Request {
	t.Helper()
	in := w.prepare(t, p, number)
	return identityphonechange.Request{
		OTP: w.newCode(t, p, in.IntentID),
		Confirmation: stepup.Confirmation{
			IntentID: in.IntentID, Proofs: []stepup.Proof{p.KnownLogin(t, bank.LoginPassword), p.CodeFor(t, in.IntentID)},
		},
	}
}

func (w fixture) confirm(t *testing.T, r identityphonechange.Request) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identityphonechange.Function, uuid.NewString(), r)
}

// logIn logs the payer in by a number, from another phone.
func (w fixture) logIn(t *testing.T, number string) bank.Reply {
	t.Helper()
	w.Exec(t, "DELETE FROM otp_quota")
	d := w.Device(t, "pad-"+uuid.NewString())
	r := d.LogIn(t, w.Payer, otptest.Ask(t, w.Bank, d, otp.Login, number))
	r.Phone = number
	return d.Call(t, identitylogin.Function, "", r)
}

// changes counts the changes that have committed.
func (w fixture) changes(t *testing.T) int {
	t.Helper()
	return w.Count(t, "SELECT count(*) FROM phone_change")
}

// One code goes to the new number. After the change, the customer logs in by the new number
// and not by the earlier one, which gets a notice.
func TestTheNumberChangesAndTheEarlierOneIsTold(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-007.3")
	w := newFixture(t)
	in := w.prepare(t, w.Pair, "+86 "+fresh)
	if !strings.Contains(in.Text, "新手机号码："+mask.Phone(fresh)) || strings.Contains(in.Text, fresh) {
		t.Errorf("the text: %s", in.Text)
	}
	code := w.newCode(t, w.Pair, in.IntentID)
	w.told(t, notifyonotp.Function, events.TypeOTPIssued)
	if texts := w.sms.Inbox(fresh); len(texts) != 1 || !strings.Contains(texts[0].Text, code+"，用于将本号码设为手机银行的手机号码") {
		t.Errorf("the new number got %v", texts)
	}
	r := identityphonechange.Request{OTP: code, Confirmation: stepup.Confirmation{
		IntentID: in.IntentID, Proofs: []stepup.Proof{w.KnownLogin(t, bank.LoginPassword), w.CodeFor(t, in.IntentID)},
	}}
	w.Phone.Call(t, identityphonechange.Function, "one key", r).Want(t, "")
	w.Phone.Call(t, identityphonechange.Function, "one key", r).Want(t, "")
	w.confirm(t, r).Want(t, "INTENT_USED")

	w.told(t, notifyonphone.Function, events.TypePhoneChanged)
	if texts := w.sms.Inbox(w.Payer.Phone); len(texts) != 1 || !strings.Contains(texts[0].Text, "手机号码已于11月23日10:00修改") {
		t.Errorf("the earlier number got %v", texts)
	}
	if n := len(w.sms.Inbox("")); n != 2 {
		t.Errorf("%d texts", n)
	}
	if n := w.Count(t, "SELECT count(*) FROM message WHERE customer_id = $1 AND kind = 'phone.changed'", w.Payer.ID); n != 1 {
		t.Errorf("%d messages", n)
	}
	var me identityme.Response
	w.Phone.Call(t, identityme.Function, "", struct{}{}).Into(t, &me) // the session goes on
	if me.PhoneMasked != mask.Phone(fresh) {
		t.Errorf("the customer is shown %s", me.PhoneMasked)
	}
	w.logIn(t, w.Payer.Phone).Want(t, "LOGIN_FAILED")
	w.logIn(t, fresh).Want(t, "")
	for place, text := range map[string]string{"database": w.Stored(t), "log": w.Log.String(), "cache": w.Cached(t)} {
		if bank.Shows(text, fresh) || bank.Shows(text, w.Payer.Phone) {
			t.Errorf("the %s shows a number", place)
		}
	}
}

// Neither one factor, nor both without the code to the new number, change the number. Each
// refusal leaves it as it was, and uses nothing up.
func TestAChangeNeedsTwoFactorsAndTheNewNumber(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-007.2")
	w := newFixture(t)
	good, other := w.right(t, w.Pair, fresh), w.right(t, w.Pair, free)
	known, code := good.Proofs[0], good.Proofs[1]
	guess := stepup.Proof{Factor: stepup.SMSOTP, Code: otptest.Wrong(code.Code)}
	for name, tt := range map[string]struct {
		want   string
		otp    string
		proofs []stepup.Proof
	}{
		"no proof":                         {"STEPUP_STRONGER", good.OTP, []stepup.Proof{}},
		"the login password alone":         {"STEPUP_STRONGER", good.OTP, []stepup.Proof{known}},
		"a code alone":                     {"STEPUP_STRONGER", good.OTP, []stepup.Proof{code}},
		"the trade password and a code":    {"STEPUP_STRONGER", good.OTP, []stepup.Proof{w.Known(t), code}},
		"a wrong password":                 {"PROOF_REJECTED", good.OTP, []stepup.Proof{w.KnownLogin(t, wrong), code}},
		"a wrong code":                     {"PROOF_REJECTED", good.OTP, []stepup.Proof{known, guess}},
		"a wrong code of the new number":   {"PROOF_REJECTED", otptest.Wrong(good.OTP), good.Proofs},
		"the new number's code of another": {"PROOF_REJECTED", other.OTP, good.Proofs},
		"the code to the present number":   {"PROOF_REJECTED", code.Code, good.Proofs},
	} {
		r := good
		r.OTP, r.Proofs = tt.otp, tt.proofs
		if got := w.confirm(t, r); got.Code != tt.want {
			t.Errorf("%s: %d %q, want %s", name, got.Status, got.Code, tt.want)
		}
	}
	w.Device(t, "phone-of-nobody").Call(t, identityphonechange.Function, uuid.NewString(), good).Want(t, "SESSION_REQUIRED")
	if n, told := w.changes(t), len(w.Outbox(t, events.TypePhoneChanged)); n != 0 || told != 0 {
		t.Errorf("%d changes, %d events", n, told)
	}
	w.confirm(t, good).Want(t, "")
	w.logIn(t, fresh).Want(t, "")
}

// Five wrong codes of the new number use it up.
func TestTheNewNumbersCodeHasFiveTries(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := w.right(t, w.Pair, fresh)
	guess := r
	guess.OTP = otptest.Wrong(r.OTP)
	for range 5 {
		w.confirm(t, guess).Want(t, "PROOF_REJECTED")
	}
	w.confirm(t, r).Want(t, "PROOF_REJECTED")
	r.OTP = w.newCode(t, w.Pair, r.IntentID)
	w.confirm(t, r).Want(t, "")
}

// A key that is a day old stands for the present number, for a customer who has lost it.
func TestADeviceKeyStandsForTheLostNumber(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, "UPDATE device SET bound_at = bound_at - interval '1 day'")
	in := w.prepare(t, w.Pair, fresh)
	signed := stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)}
	w.confirm(t, identityphonechange.Request{OTP: w.newCode(t, w.Pair, in.IntentID), Confirmation: stepup.Confirmation{
		IntentID: in.IntentID, Proofs: []stepup.Proof{w.KnownLogin(t, bank.LoginPassword), signed},
	}}).Want(t, "")
}

// After the change, no code that went to the earlier number confirms an intent that was
// prepared before. A new code goes to the new number.
func TestCodesToTheEarlierNumberConfirmNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	before := w.Prepare(t, w.ToPayee(1_00))
	r, other := w.right(t, w.Pair, fresh), w.right(t, w.Pair, free)
	pay := func(code stepup.Proof) bank.Reply {
		return w.Confirm(t, stepup.Confirmation{IntentID: before.IntentID, Proofs: []stepup.Proof{w.Known(t), code}})
	}
	earlier := w.CodeFor(t, before.IntentID)
	w.confirm(t, r).Want(t, "")
	pay(earlier).Want(t, "PROOF_REJECTED")
	w.confirm(t, other).Want(t, "PROOF_REJECTED")
	later := w.CodeFor(t, before.IntentID)
	w.told(t, notifyonotp.Function, events.TypeOTPIssued)
	if texts := w.sms.Inbox(fresh); len(texts) != 1 || !strings.Contains(texts[0].Text, later.Code) {
		t.Errorf("the new number got %v", texts)
	}
	pay(later).Want(t, "")
	if n := w.changes(t); n != 1 {
		t.Errorf("%d changes", n)
	}
}

// A number is one customer's, also when two take it at once. Who does not hold the number
// does not learn whether a customer has it; its holder does not learn which one.
func TestANumberIsOneCustomers(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	taken, untaken := w.right(t, w.Pair, w.Payee.Phone), w.right(t, w.Pair, free)
	guess := func(r identityphonechange.Request) bank.Reply {
		r.OTP = otptest.Wrong(r.OTP)
		return w.confirm(t, r)
	}
	guess(untaken).Want(t, "PROOF_REJECTED")
	bank.WantSame(t, "a guess at a taken number's code", guess(taken), guess(untaken))
	refused := w.confirm(t, taken)
	refused.Want(t, "PHONE_TAKEN")
	if strings.Contains(string(refused.Body), w.Payee.Phone) || strings.Contains(string(refused.Body), "四") {
		t.Errorf("the refusal tells of the holder: %s", refused.Body)
	}
	if n, told := w.changes(t), len(w.Outbox(t, events.TypePhoneChanged)); n != 0 || told != 0 {
		t.Errorf("the refused change has left %d changes and %d events", n, told)
	}
	other := bank.Pair{Bank: w.Bank, Phone: w.Device(t, "phone-of-li"), Payer: w.Payee, Payee: w.Payer}
	other.Phone.LoginAs(t, w.Payee)
	requests := []identityphonechange.Request{w.right(t, w.Pair, fresh), w.right(t, other, fresh)}
	codes := map[string]int{}
	for _, reply := range check.AtOnce(2, func(i int) bank.Reply {
		return []bank.Pair{w.Pair, other}[i].Phone.Call(t, identityphonechange.Function, uuid.NewString(), requests[i])
	}) {
		codes[reply.Code]++
	}
	if !maps.Equal(codes, map[string]int{"": 1, "PHONE_TAKEN": 1}) {
		t.Errorf("both at once: %v", codes)
	}
}

// One customer's two changes at once: one commits, and the other one's code is of the
// earlier number then.
func TestTwoChangesAtOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	requests := []identityphonechange.Request{w.right(t, w.Pair, fresh), w.right(t, w.Pair, free)}
	codes := map[string]int{}
	for _, reply := range check.AtOnce(2, func(i int) bank.Reply { return w.confirm(t, requests[i]) }) {
		codes[reply.Code]++
	}
	if n := w.changes(t); n != 1 || !maps.Equal(codes, map[string]int{"": 1, "PROOF_REJECTED": 1}) {
		t.Errorf("%d changes, answers %v", n, codes)
	}
}

// A change that is prepared before another one is confirmed is void, although its proofs were
// judged before: its codes went to the earlier number.
func TestAChangeIsVoidAfterAnother(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	other := w.right(t, w.Pair, free)
	w.confirm(t, w.right(t, w.Pair, fresh)).Want(t, "")
	w.Exec(t, `UPDATE otp_challenge SET phone_bidx = (SELECT phone_bidx FROM customer WHERE id = customer_id) WHERE subject = $1`,
		stepup.Subject(other.IntentID)) // as if its code had been counted before
	w.confirm(t, other).Want(t, "PROOF_REJECTED")
	if n := w.changes(t); n != 1 {
		t.Errorf("%d changes", n)
	}
}

func TestWhatIsNoNewNumber(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for name, request := range map[string]map[string]any{
		"the present one":   {"change": "phone", "phone": w.Payer.Phone},
		"none":              {"change": "phone"},
		"no number":         {"change": "phone", "phone": "12345"},
		"of another change": {"change": "alias", "phone": fresh},
	} {
		got := w.Phone.Call(t, identitychangeprepare.Function, "", request)
		if got.Code != "INPUT_INVALID" || got.Problem.Field != "phone" {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	in := w.PrepareChange(t, stepup.SetAlias)
	w.Phone.Call(t, otpsend.Function, "", map[string]any{"purpose": otp.NewPhone, "intent_id": in.IntentID}).
		Want(t, "OBJECT_NOT_FOUND")
}

// The codes to new numbers have one quota, whichever numbers they are.
func TestNobodyFloodsOtherNumbers(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	one, two := w.prepare(t, w.Pair, fresh), w.prepare(t, w.Pair, free)
	w.Phone.Call(t, otpsend.Function, "", map[string]any{"purpose": otp.NewPhone, "intent_id": one.IntentID}).Want(t, "")
	w.Phone.Call(t, otpsend.Function, "", map[string]any{"purpose": otp.NewPhone, "intent_id": two.IntentID}).Want(t, "OTP_TOO_OFTEN")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := w.right(t, w.Pair, fresh)
	w.Host.DB = pgtest.Broken(t)
	w.confirm(t, r).Want(t, "SERVICE_UNAVAILABLE")
}
