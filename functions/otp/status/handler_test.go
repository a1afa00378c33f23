package status_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	notifyonotp "github.com/tidebank/tidebank/functions/notify/onotp"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	otpstatus "github.com/tidebank/tidebank/functions/otp/status"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/test/smstest"
)

type fixture struct {
	bank.Pair
	texts, calls *smssim.Gateway
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	p := bank.NewPair(t, 10_000_00)
	texts, calls := smstest.StartBoth(t, p.Bank, notifyonotp.Function)
	return fixture{p, texts, calls}
}

// send asks for a code, and delivers the event that has it sent.
func (w fixture) send(t *testing.T, request map[string]any, want int) {
	t.Helper()
	w.Exec(t, "DELETE FROM otp_quota")
	w.Phone.Call(t, otpsend.Function, "", request).Want(t, "")
	issued := w.Outbox(t, events.TypeOTPIssued)
	e, err := issued[len(issued)-1].CloudEvent(w.Host.Keys)
	check.Must(t, err)
	if got := w.Deliver(t, notifyonotp.Function, e); got != want {
		t.Fatalf("delivery answered %d, want %d: %s", got, want, w.Log)
	}
}

func (w fixture) state(t *testing.T, d *bank.Device, request map[string]any) otpstatus.Response {
	t.Helper()
	var got otpstatus.Response
	d.Call(t, otpstatus.Function, "", request).Into(t, &got)
	return got
}

func (w fixture) wantState(t *testing.T, what string, request map[string]any, state, advice string) {
	t.Helper()
	if got := w.state(t, w.Phone, request); got.State != state || !strings.Contains(got.Advice, advice) {
		t.Errorf("%s: %+v, want %s with %s", what, got, state, advice)
	}
}

// of is a request about an intent's code.
func of(intent uuid.UUID, way string) map[string]any {
	return map[string]any{"purpose": otp.Intent, "intent_id": intent, "way": way}
}

func TestAFailedSendingIsReported(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-006.3")
	w := newFixture(t)
	in := w.Prepare(t, w.ToPayee(1_00)).IntentID
	text, call := of(in, "sms"), of(in, otp.ByVoice)

	w.wantState(t, "nothing asked for", text, "failed", "重新获取")
	w.texts.SetFaults(smssim.Faults{Refuse: []string{w.Payer.Phone}})
	w.send(t, text, http.StatusAccepted)
	w.wantState(t, "refused", text, "failed", "改用语音验证码")
	w.calls.SetFaults(smssim.Faults{Refuse: []string{w.Payer.Phone}})
	w.send(t, call, http.StatusAccepted)
	w.wantState(t, "a call refused", call, "failed", "改用短信验证码")

	w.texts.SetFaults(smssim.Faults{Fail: []string{w.Payer.Phone}})
	w.send(t, text, http.StatusServiceUnavailable)
	w.wantState(t, "a gateway that is down", text, "sending", "请稍候")
	w.Advance(10*time.Second - time.Millisecond)
	w.wantState(t, "soon", text, "sending", "请稍候")
	w.Advance(time.Millisecond)
	w.wantState(t, "too long", text, "failed", "改用语音验证码")

	w.texts.SetFaults(smssim.Faults{})
	w.calls.SetFaults(smssim.Faults{})
	w.send(t, text, http.StatusAccepted)
	w.wantState(t, "taken", text, "sent", "已发出")
	w.send(t, call, http.StatusAccepted)
	w.wantState(t, "called", call, "sent", "已发出")
	w.Advance(time.Minute)
	w.wantState(t, "expired", text, "failed", "重新获取")
	if n := len(w.texts.Inbox(w.Payer.Phone)); n != 1 {
		t.Errorf("%d texts went out", n)
	}
}

// Before login, the customer's own device learns the truth. Any other learns nothing about the number.
func TestBeforeLogin(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-006.3")
	w := newFixture(t)
	w.texts.SetFaults(smssim.Faults{Refuse: []string{w.Payer.Phone}})
	w.send(t, otptest.Request(t, w.Bank, w.Phone, otp.Login, w.Payer.Phone), http.StatusAccepted)
	about := func(d *bank.Device, phone string) map[string]any {
		return map[string]any{
			"purpose": otp.Login, "phone": phone, "device_public_key": d.PublicKey(t), "device_signature": d.Possession(t),
		}
	}
	w.wantState(t, "the customer's device", about(w.Phone, w.Payer.Phone), "failed", "改用语音验证码")

	stranger := w.Device(t, "phone-of-stranger")
	w.Exec(t, "DELETE FROM otp_quota")
	stranger.Call(t, otpsend.Function, "", otptest.Request(t, w.Bank, stranger, otp.Login, w.Payer.Phone)).Want(t, "")
	want := w.state(t, stranger, about(stranger, "13900009999"))
	for _, phone := range []string{w.Payer.Phone, w.Payee.Phone} {
		if got := w.state(t, stranger, about(stranger, phone)); got != want || got.State != "untold" {
			t.Errorf("a stranger learns %+v, and %+v of an unknown number", got, want)
		}
	}
	unsigned := about(stranger, w.Payer.Phone)
	unsigned["device_signature"] = w.Phone.Possession(t)
	stranger.Call(t, otpstatus.Function, "", unsigned).Want(t, "INPUT_INVALID")
}

func TestWhatIsAsked(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.Prepare(t, w.ToPayee(1_00)).IntentID
	w.wantState(t, "no text of the customer", of(in, otp.ByUplink), "waiting", "尚未收到")
	for name, tt := range map[string]struct {
		request map[string]any
		want    string
	}{
		"unknown purpose":      {map[string]any{"purpose": "x", "phone": w.Payer.Phone}, "INPUT_INVALID"},
		"a way of an intent":   {map[string]any{"purpose": otp.Login, "way": otp.ByUplink, "phone": w.Payer.Phone}, "INPUT_INVALID"},
		"no intent":            {map[string]any{"purpose": otp.Intent}, "INPUT_INVALID"},
		"a number with intent": {map[string]any{"purpose": otp.Intent, "intent_id": in, "phone": w.Payer.Phone}, "INPUT_INVALID"},
		"no number":            {map[string]any{"purpose": otp.Login}, "INPUT_INVALID"},
		"an alias to sign up":  {map[string]any{"purpose": otp.Register, "alias": "wang.xm"}, "INPUT_INVALID"},
		"an intent and login":  {map[string]any{"purpose": otp.Login, "phone": w.Payer.Phone, "intent_id": in}, "INPUT_INVALID"},
		"a key with intent": {
			map[string]any{"purpose": otp.Intent, "intent_id": in, "device_public_key": w.Phone.PublicKey(t)}, "INPUT_INVALID",
		},
		"an unknown intent": {of(uuid.New(), "sms"), "OBJECT_NOT_FOUND"},
		"a signature, no key": {
			map[string]any{"purpose": otp.Login, "phone": w.Payer.Phone, "device_signature": []byte("x")}, "INPUT_INVALID",
		},
	} {
		if got := w.Phone.Call(t, otpstatus.Function, "", tt.request); got.Code != tt.want {
			t.Errorf("%s: %d %q, want %q", name, got.Status, got.Code, tt.want)
		}
	}
	w.Device(t, "another").Call(t, otpstatus.Function, "", of(in, "sms")).Want(t, "SESSION_REQUIRED")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	b.Device(t, "phone").Call(t, otpstatus.Function, "", map[string]any{"purpose": otp.Login, "phone": "13900001111"}).
		Want(t, "SERVICE_UNAVAILABLE")
}
