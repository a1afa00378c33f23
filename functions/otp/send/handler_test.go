package send_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// fixture is a pair. The payee has not signed up.
type fixture struct{ bank.Pair }

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, 100_00)}
}

// ask asks for a code with a solved graphic code.
func (w fixture) ask(t *testing.T, d *bank.Device, purpose, number string) bank.Reply {
	t.Helper()
	return d.Call(t, otpsend.Function, "", otptest.Request(t, w.Bank, d, purpose, number))
}

// plain asks for a code without a graphic code. It proves the device's key.
func (w fixture) plain(t *testing.T, d *bank.Device, purpose, number string) bank.Reply {
	t.Helper()
	return d.Call(t, otpsend.Function, "", map[string]any{
		"purpose": purpose, "phone": number, "device_public_key": d.PublicKey(t), "device_signature": d.Possession(t),
	})
}

func (w fixture) askFor(t *testing.T, d *bank.Device, intent uuid.UUID) bank.Reply {
	t.Helper()
	return d.Call(t, otpsend.Function, "", map[string]any{"purpose": otp.Intent, "intent_id": intent})
}

func (w fixture) prepare(t *testing.T) transferprepare.Response {
	t.Helper()
	return w.Prepare(t, w.ToOwn(1_00))
}

// issued are the events that ask for a code to be sent.
func (w fixture) issued(t *testing.T) []events.OTPIssued {
	t.Helper()
	return bank.Told[events.OTPIssued](t, w.Bank, events.TypeOTPIssued)
}

func TestOneCodeAMinuteForEachPurpose(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	reply := w.plain(t, w.Phone, otp.Login, w.Payer.Phone)
	if reply.Want(t, ""); string(reply.Body) != `{"expires_in_s":60,"resend_in_s":60}` {
		t.Errorf("got %s", reply.Body)
	}
	w.plain(t, w.Phone, otp.Register, w.Payer.Phone).Want(t, "")
	w.askFor(t, w.Phone, w.prepare(t).IntentID).Want(t, "")
	w.ask(t, w.Phone, otp.Login, w.Payee.Phone).Want(t, "")
	left := 60
	for _, tt := range []struct {
		wait time.Duration
		want string
	}{{0, "OTP_TOO_OFTEN"}, {59*time.Second + 500*time.Millisecond, "OTP_TOO_OFTEN"}, {500 * time.Millisecond, ""}} {
		w.Advance(tt.wait)
		left -= int(tt.wait / time.Second)
		asked := map[string]bank.Reply{"intent": w.askFor(t, w.Phone, w.prepare(t).IntentID)}
		for _, purpose := range []string{otp.Login, otp.Register} {
			asked[purpose] = w.plain(t, w.Phone, purpose, w.Payer.Phone)
		}
		for purpose, got := range asked {
			if got.Code != tt.want {
				t.Errorf("%s, %v later: %q, want %q", purpose, tt.wait, got.Code, tt.want)
			}
			if after := got.Header.Get("Retry-After"); tt.want != "" && after != strconv.Itoa(left) {
				t.Errorf("%s: Retry-After %q, want %d", purpose, after, left)
			}
		}
	}
	if got := len(w.issued(t)); got != 7 {
		t.Errorf("%d codes were asked for, want 7", got)
	}
}

// The pause between two codes knows no midnight.
// A number in any spelling is one number: it has one pause, and its customer gets the code.
func TestPhonesInTheirSpellings(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	phone := w.Payer.Phone
	w.plain(t, w.Phone, otp.Login, "+86 "+phone[:3]+" "+phone[3:7]+" "+phone[7:]).Want(t, "")
	w.plain(t, w.Phone, otp.Login, "0086"+phone).Want(t, "OTP_TOO_OFTEN")
	w.plain(t, w.Phone, otp.Login, phone[:3]+"-"+phone[3:]).Want(t, "OTP_TOO_OFTEN")
	if issued := w.issued(t); len(issued) != 1 || issued[0].CustomerID != w.Payer.ID.String() {
		t.Errorf("issued: %+v", issued)
	}
}

func TestThePauseKnowsNoMidnight(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Advance(14*time.Hour - time.Second) // a second before midnight in Shanghai
	w.Phone.Reopen(t)
	w.plain(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "")
	w.Advance(time.Second)
	refused := w.plain(t, w.Phone, otp.Login, w.Payer.Phone)
	if refused.Want(t, "OTP_TOO_OFTEN"); refused.Header.Get("Retry-After") != "59" {
		t.Errorf("Retry-After %q, want 59", refused.Header.Get("Retry-After"))
	}
	w.Advance(59 * time.Second)
	w.plain(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "")
}

// A number's own device gets ten codes in 24 hours, and its intents ten more.
func TestTenCodesADayForEachNumber(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-006.2")
	w := newFixture(t)
	for range 10 {
		w.plain(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "")
		w.askFor(t, w.Phone, w.prepare(t).IntentID).Want(t, "")
		w.Advance(time.Minute)
	}
	w.plain(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "OTP_TOO_OFTEN")
	refused := w.askFor(t, w.Phone, w.prepare(t).IntentID)
	if refused.Want(t, "OTP_TOO_OFTEN"); refused.Header.Get("Retry-After") != "85800" { // 23 h 50 min
		t.Errorf("Retry-After %q", refused.Header.Get("Retry-After"))
	}
	w.ask(t, w.Phone, otp.Login, w.Payee.Phone).Want(t, "")
	w.Advance(24*time.Hour - 10*time.Minute - time.Second)
	w.Phone.Reopen(t)
	w.plain(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "OTP_TOO_OFTEN")
	w.Advance(time.Second)
	w.plain(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "")
}

// A stranger must solve a graphic code for each code, and can use up neither the
// number's other devices nor its intents.
func TestStrangersUseUpNobodysCodes(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-006.2")
	w := newFixture(t)
	before := w.prepare(t)
	sent := 0
	for n := range 6 {
		d := w.Device(t, fmt.Sprint("phone-of-stranger-", n))
		d.IP = fmt.Sprint("198.51.100.", n)
		for _, number := range []string{w.Payer.Phone, "13900000000"} {
			w.plain(t, d, otp.Login, number).Want(t, "CAPTCHA_REQUIRED")
		}
		rejected := otptest.Request(t, w.Bank, d, otp.Login, w.Payer.Phone)
		rejected["captcha_answer"] = "000000"
		d.Call(t, otpsend.Function, "", rejected).Want(t, "CAPTCHA_REJECTED")
		for i := range 6 {
			known, nobody := w.ask(t, d, otp.Login, w.Payer.Phone), w.ask(t, d, otp.Login, "13900000000")
			bank.WantSame(t, "an unknown number", nobody, known)
			if known.Code == "" {
				sent++
			}
			if i == 5 || n >= 4 {
				known.Want(t, "OTP_TOO_OFTEN")
			}
			w.Advance(time.Minute)
		}
	}
	if sent != 20 {
		t.Errorf("strangers had %d codes sent, want 20", sent)
	}
	w.Phone.LoginAs(t, w.Payer)
	w.plain(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "")
	w.askFor(t, w.Phone, w.prepare(t).IntentID).Want(t, "")
	w.askFor(t, w.Phone, before.IntentID).Want(t, "INTENT_EXPIRED")
}

// A device is known only if it proves the key that the customer has bound on it. Neither
// a claimed id nor the last login makes a device known.
func TestKnownDevicesNeedNoGraphicCode(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	tablet := w.Device(t, "tablet-of-wang")
	w.plain(t, tablet, otp.Login, w.Payer.Phone).Want(t, "CAPTCHA_REQUIRED")
	w.Exec(t, "UPDATE credential SET last_login_device = 'tablet-of-wang'")
	w.plain(t, tablet, otp.Login, w.Payer.Phone).Want(t, "CAPTCHA_REQUIRED")
	w.plain(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "")
	w.plain(t, w.Phone, otp.Login, w.Payee.Phone).Want(t, "CAPTCHA_REQUIRED")
	w.plain(t, w.Device(t, w.Phone.ID), otp.Login, w.Payer.Phone).Want(t, "CAPTCHA_REQUIRED") // another key
	keyless := map[string]any{"purpose": otp.Login, "phone": w.Payer.Phone}
	w.Phone.Call(t, otpsend.Function, "", keyless).Want(t, "CAPTCHA_REQUIRED")
	elsewhere := w.Device(t, "another-phone")
	elsewhere.Key = w.Phone.Key
	w.plain(t, elsewhere, otp.Login, w.Payer.Phone).Want(t, "CAPTCHA_REQUIRED") // the key is bound on another device
	w.Exec(t, "DELETE FROM device")
	w.plain(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "CAPTCHA_REQUIRED")
}

// A key that a caller brings must be proved, on this channel.
func TestAKeyMustBeProved(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	tablet := w.Device(t, "tablet-of-wang")
	intent := w.prepare(t).IntentID
	for _, tt := range []struct {
		name, field string
		request     map[string]any
	}{
		{"no signature", "device_signature", map[string]any{"device_public_key": w.Phone.PublicKey(t)}},
		{"no key", "device_public_key", map[string]any{"device_signature": w.Phone.Possession(t)}},
		{"another's key", "device_signature", map[string]any{
			"device_public_key": w.Phone.PublicKey(t), "device_signature": tablet.Possession(t),
		}},
		{"for an intent", "device_public_key", map[string]any{
			"purpose": otp.Intent, "intent_id": intent, "device_public_key": w.Phone.PublicKey(t),
			"device_signature": w.Phone.Possession(t),
		}},
	} {
		if tt.request["purpose"] == nil {
			tt.request["purpose"], tt.request["phone"] = otp.Login, w.Payer.Phone
		}
		got := w.Phone.Call(t, otpsend.Function, "", tt.request)
		if got.Code != "INPUT_INVALID" || got.Problem.Field != tt.field {
			t.Errorf("%s: %q of %q, want INPUT_INVALID of %q", tt.name, got.Code, got.Problem.Field, tt.field)
		}
	}
	if got := w.issued(t); len(got) != 0 {
		t.Errorf("codes were asked for: %+v", got)
	}
}

func TestManyAtOnceSendOne(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	replies := check.AtOnce(20, func(int) bank.Reply { return w.plain(t, w.Phone, otp.Login, w.Payer.Phone) })
	sent := bank.Won(t, replies, "OTP_TOO_OFTEN")
	if told := len(w.issued(t)); sent != 1 || told != 1 {
		t.Errorf("%d sent, %d told of, want one", sent, told)
	}
}

// The bank sends a code only to a customer whom the purpose fits, and answers every
// caller alike. functions/identity/login tests that it writes the same for each number.
func TestOnlyWhomThePurposeFitsIsSentTo(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	const nobody = "13900000000"
	first := ""
	for _, tt := range []struct{ purpose, phone, to string }{
		{otp.Login, w.Payer.Phone, w.Payer.ID.String()},
		{otp.Login, w.Payee.Phone, ""},
		{otp.Login, nobody, ""},
		{otp.Register, w.Payer.Phone, ""},
		{otp.Register, w.Payee.Phone, w.Payee.ID.String()},
		{otp.Register, nobody, ""},
	} {
		before := w.issued(t)
		got := w.ask(t, w.Phone, tt.purpose, tt.phone)
		if first == "" {
			first = string(got.Body)
		}
		if got.Code != "" || string(got.Body) != first {
			t.Errorf("%s for %s: %d %s, others got %s", tt.purpose, tt.phone, got.Status, got.Body, first)
		}
		want := append(before, events.OTPIssued{
			Challenge: otptest.Subject(t, w.Bank, w.Phone, tt.purpose, tt.phone), Purpose: tt.purpose, CustomerID: tt.to,
		})
		if diff := cmp.Diff(want, w.issued(t)); diff != "" {
			t.Errorf("%s for %s (-want +got):\n%s", tt.purpose, tt.phone, diff)
		}
		again := w.ask(t, w.Phone, tt.purpose, tt.phone)
		again.Want(t, "OTP_TOO_OFTEN")
	}
	for _, number := range []string{w.Payer.Phone, w.Payee.Phone, nobody} {
		if strings.Contains(w.Log.String(), number) {
			t.Errorf("the log shows %s", number)
		}
	}
}

// A code for an intent goes to the number on record of the customer whose intent
// it is, and is bound to it.
func TestCodesForIntents(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.prepare(t)
	w.askFor(t, w.Phone, in.IntentID).Want(t, "")
	want := []events.OTPIssued{{
		Challenge: stepup.Subject(in.IntentID), Purpose: otp.Intent, CustomerID: w.Payer.ID.String(),
		IntentID: in.IntentID.String(),
	}}
	if diff := cmp.Diff(want, w.issued(t)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	binding := check.Value[[]byte](t, w.Host.DB.Pool(),
		"SELECT binding FROM otp_challenge WHERE subject = $1", want[0].Challenge)
	if !cmp.Equal(binding, in.Digest) {
		t.Errorf("bound to %x, want %x", binding, in.Digest)
	}

	w.Advance(time.Minute)
	stranger := w.Device(t, "phone-of-li")
	w.askFor(t, stranger, in.IntentID).Want(t, "SESSION_REQUIRED")
	stranger.LoginAs(t, w.Payee)
	foreign, none := w.askFor(t, stranger, in.IntentID), w.askFor(t, stranger, uuid.New())
	foreign.Want(t, "OBJECT_NOT_FOUND")
	bank.WantSame(t, "another customer's intent", foreign, none)
	w.Advance(8 * time.Minute)
	w.askFor(t, w.Phone, in.IntentID).Want(t, "")
	w.Advance(time.Minute)
	w.askFor(t, w.Phone, in.IntentID).Want(t, "INTENT_EXPIRED")
	w.Exec(t, "UPDATE intent SET state = 'consumed'")
	w.askFor(t, w.Phone, in.IntentID).Want(t, "INTENT_USED")
	if got := len(w.issued(t)); got != 2 {
		t.Errorf("%d codes were asked for, want 2", got)
	}
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	intent := w.prepare(t).IntentID
	for _, tt := range []struct{ name, body, field string }{
		{"no purpose", `{"phone":"13900000000"}`, "purpose"},
		{"unknown purpose", `{"purpose":"transfer","phone":"13900000000"}`, "purpose"},
		{"purpose in capitals", `{"purpose":"LOGIN","phone":"13900000000"}`, "purpose"},
		{"no phone", `{"purpose":"login"}`, "phone"},
		{"phone with a foreign prefix", `{"purpose":"login","phone":"+8513900000000"}`, "phone"},
		{"phone with a letter", `{"purpose":"login","phone":"139 0000 000a"}`, "phone"},
		{"intent for login", fmt.Sprintf(`{"purpose":"login","phone":"13900000000","intent_id":%q}`, intent), "intent_id"},
		{"no intent", `{"purpose":"intent"}`, "intent_id"},
		{"number for an intent", fmt.Sprintf(`{"purpose":"intent","phone":"13900000000","intent_id":%q}`, intent), "intent_id"},
		{"intent that is no id", `{"purpose":"intent","intent_id":"x"}`, "intent_id"},
		{"unknown field", `{"purpose":"login","phone":"13900000000","customer_id":"x"}`, "customer_id"},
		{"a graphic code without answer", `{"purpose":"login","phone":"13900000000","captcha_id":"x"}`, "captcha_answer"},
		{
			"an answer without six digits",
			`{"purpose":"login","phone":"13900000000","captcha_id":"x","captcha_answer":"０"}`, "captcha_answer",
		},
		{"an answer to no graphic code", `{"purpose":"login","phone":"13900000000","captcha_answer":"1"}`, "captcha_id"},
		{"phone of another type", `{"purpose":"login","phone":13900000000}`, "phone"},
		{"nothing", `null`, "request"},
	} {
		got := w.Phone.Call(t, otpsend.Function, "", json.RawMessage(tt.body))
		if got.Code != "INPUT_INVALID" || got.Problem.Field != tt.field {
			t.Errorf("%s: %q of %q, want INPUT_INVALID of %q", tt.name, got.Code, got.Problem.Field, tt.field)
		}
	}
	if got := w.issued(t); len(got) != 0 {
		t.Errorf("codes were asked for: %+v", got)
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	phone := b.Device(t, "phone-of-wang")
	for _, purpose := range []string{otp.Login, otp.Register} {
		phone.Call(t, otpsend.Function, "", map[string]any{"purpose": purpose, "phone": "13900000000"}).
			Want(t, "SERVICE_UNAVAILABLE")
	}
}
