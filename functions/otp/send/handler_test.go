package send_test

import (
	"encoding/json"
	"fmt"
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

func (w fixture) ask(t *testing.T, d *bank.Device, purpose, number string) bank.Reply {
	t.Helper()
	return d.Call(t, otpsend.Function, "", map[string]any{"purpose": purpose, "phone": number})
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
	reply := w.ask(t, w.Phone, otp.Login, w.Payer.Phone)
	if reply.Want(t, ""); string(reply.Body) != `{"expires_in_s":60,"resend_in_s":60}` {
		t.Errorf("got %s", reply.Body)
	}
	w.ask(t, w.Phone, otp.Register, w.Payer.Phone).Want(t, "")
	w.askFor(t, w.Phone, w.prepare(t).IntentID).Want(t, "")
	w.ask(t, w.Phone, otp.Login, w.Payee.Phone).Want(t, "")
	other := w.Device(t, "phone-of-li")
	for _, tt := range []struct {
		wait time.Duration
		want string
	}{{0, "OTP_TOO_OFTEN"}, {time.Minute - time.Millisecond, "OTP_TOO_OFTEN"}, {time.Millisecond, ""}} {
		w.Advance(tt.wait)
		for _, purpose := range []string{otp.Login, otp.Register} {
			got := w.ask(t, other, purpose, w.Payer.Phone) // another device is no way around it
			if got.Code != tt.want {
				t.Errorf("%s, %v later: %q, want %q", purpose, tt.wait, got.Code, tt.want)
			}
			if after := got.Header.Get("Retry-After"); tt.want != "" && after != "60" {
				t.Errorf("%s: Retry-After %q, want 60", purpose, after)
			}
		}
		if got := w.askFor(t, w.Phone, w.prepare(t).IntentID); got.Code != tt.want {
			t.Errorf("another intent, %v later: %q, want %q", tt.wait, got.Code, tt.want)
		}
	}
	if got := len(w.issued(t)); got != 7 {
		t.Errorf("%d codes were asked for, want 7", got)
	}
}

func TestTenCodesADayForEachNumber(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-006.2")
	w := newFixture(t)
	purposes := []string{otp.Login, otp.Register}
	for i := range 9 {
		w.ask(t, w.Phone, purposes[i%2], w.Payer.Phone).Want(t, "")
		w.Advance(time.Minute)
	}
	w.Phone.LoginAs(t, w.Payer)
	w.askFor(t, w.Phone, w.prepare(t).IntentID).Want(t, "")
	w.Advance(time.Minute)
	in := w.prepare(t)
	w.askFor(t, w.Phone, in.IntentID).Want(t, "OTP_TOO_OFTEN")
	w.ask(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "OTP_TOO_OFTEN")
	w.ask(t, w.Phone, otp.Login, w.Payee.Phone).Want(t, "")
	w.Advance(13*time.Hour + 49*time.Minute) // to a minute before midnight in Shanghai
	w.Phone.Reopen(t)
	w.ask(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "OTP_TOO_OFTEN")
	w.Advance(time.Minute)
	w.ask(t, w.Phone, otp.Login, w.Payer.Phone).Want(t, "")
}

func TestManyAtOnceSendOne(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	replies := check.AtOnce(20, func(int) bank.Reply { return w.ask(t, w.Phone, otp.Login, w.Payer.Phone) })
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
			Challenge: otptest.Subject(w.Bank, tt.purpose, tt.phone), Purpose: tt.purpose, CustomerID: tt.to,
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
		{"phone with a prefix", `{"purpose":"login","phone":"+8613900000000"}`, "phone"},
		{"phone with a blank", `{"purpose":"login","phone":"139 0000 0000"}`, "phone"},
		{"intent for login", fmt.Sprintf(`{"purpose":"login","phone":"13900000000","intent_id":%q}`, intent), "intent_id"},
		{"no intent", `{"purpose":"intent"}`, "intent_id"},
		{"number for an intent", fmt.Sprintf(`{"purpose":"intent","phone":"13900000000","intent_id":%q}`, intent), "intent_id"},
		{"intent that is no id", `{"purpose":"intent","intent_id":"x"}`, ""},
		{"unknown field", `{"purpose":"login","phone":"13900000000","customer_id":"x"}`, ""},
		{"phone of another type", `{"purpose":"login","phone":13900000000}`, "phone"},
		{"nothing", `null`, ""},
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
