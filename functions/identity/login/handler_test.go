package login_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// fixture is a bank with a customer who has signed up, and the customer's phone.
type fixture struct {
	*bank.Bank
	phone *bank.Device
	wang  seed.Customer
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	b := bank.New(t)
	w := fixture{Bank: b, phone: b.Device(t, "phone-of-wang")}
	w.wang = w.customer(t, "王小明")
	return w
}

// customer seeds a customer who has signed up.
func (w fixture) customer(t *testing.T, name string) seed.Customer {
	t.Helper()
	c := w.Customer(t, name, 0)
	check.Must(t, w.Seeder().SignUp(t.Context(), c, bank.LoginPassword, bank.TradePassword, "", nil))
	return c
}

// ask asks for a login code for the customer, whenever the last one was sent.
func (w fixture) ask(t *testing.T, d *bank.Device) string {
	t.Helper()
	w.Exec(t, "DELETE FROM otp_quota")
	return otptest.Ask(t, w.Bank, d, otp.Login, w.wang.Phone)
}

// request is a login with a password and a code, in which the device proves its key; no code
// means a wrong one.
func (w fixture) request(t *testing.T, d *bank.Device, password, code string) identitylogin.Request {
	t.Helper()
	if code == "" {
		code = "000000"
	}
	return identitylogin.Request{
		Phone: w.wang.Phone, Password: d.Password(t, password), OTP: code,
		DevicePublicKey: d.PublicKey(t), DeviceSignature: d.Possession(t),
	}
}

// right is a request with both factors right.
func (w fixture) right(t *testing.T, d *bank.Device) identitylogin.Request {
	t.Helper()
	return w.request(t, d, bank.LoginPassword, w.ask(t, d))
}

// solved adds a solved graphic code to a request.
func (w fixture) solved(t *testing.T, d *bank.Device, r identitylogin.Request) identitylogin.Request {
	t.Helper()
	r.CaptchaID, r.CaptchaAnswer = captchatest.Solved(t, w.Bank, d), captchatest.Answer
	return r
}

func (w fixture) want(t *testing.T, d *bank.Device, r identitylogin.Request, code string) {
	t.Helper()
	d.Call(t, identitylogin.Function, "", r).Want(t, code)
}

func wantSession(t *testing.T, d *bank.Device, code string) {
	t.Helper()
	d.Call(t, identityme.Function, "", struct{}{}).Want(t, code)
}

func TestTwoFactorsLogIn(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-001.1")
	w := newFixture(t)
	var got identitylogin.Response
	wantSession(t, w.phone, "SESSION_REQUIRED")
	w.phone.Call(t, identitylogin.Function, "", w.right(t, w.phone)).Into(t, &got)
	first := identitylogin.Response{Environment: environment.Judge([]environment.Finding{environment.Missing})}
	if diff := cmp.Diff(first, got); diff != "" {
		t.Errorf("the first login tells of an earlier one (-want +got):\n%s", diff)
	}
	wantSession(t, w.phone, "")

	w.Advance(time.Minute)
	tablet := w.Device(t, "tablet-of-wang")
	again := tablet.LogInBinding(t, w.wang, w.ask(t, tablet))
	again.Phone = "+86 " + again.Phone[:3] + " " + again.Phone[3:7] + "-" + again.Phone[7:] // as people write it
	reply := tablet.Call(t, identitylogin.Function, "", again)
	reply.Want(t, "")
	const earlier = `{"last_login_at":"2026-11-23T10:00:00+08:00","last_login_device":"phone-of-wang",` +
		`"last_login_place":"unknown","last_login_verified":false,"device_bound":true,"must_change":false,` +
		`"environment":{"warnings":[],"transfer_disabled":false}}`
	if string(reply.Body) != earlier {
		t.Errorf("got %s, want %s", reply.Body, earlier)
	}
	bound := check.Value[[]byte](t, w.Host.DB.Pool(),
		"SELECT public_key FROM device WHERE customer_id = $1 AND device_id = $2", w.wang.ID, tablet.ID)
	if !cmp.Equal(bound, again.DevicePublicKey) {
		t.Errorf("bound %x", bound)
	}
	told := bank.Told[events.IdentityLoggedIn](t, w.Bank, events.TypeIdentityLoggedIn)
	id := w.wang.ID.String()
	want := []events.IdentityLoggedIn{
		{CustomerID: id, DeviceID: w.phone.ID, IP: w.phone.IP}, {CustomerID: id, DeviceID: tablet.ID, IP: tablet.IP, DeviceVerified: true},
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A graphic code is no factor either.
func TestOneFactorIsNotEnough(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-003.1")
	req.Covers(t, "CAPTCHA-003.1", "CAPTCHA-003.2")
	w := newFixture(t)
	code := w.ask(t, w.phone)
	tablet := w.Device(t, "tablet-of-wang")
	toChannelKey, err := sm.Encrypt(w.Host.Keys.Public(keys.Channel),
		append(w.phone.Channel[:], bank.LoginPassword...))
	check.Must(t, err)
	sealed := w.phone.Password(t, bank.LoginPassword)
	for _, tt := range []struct {
		name     string
		password []byte
		code     string
		captcha  bool
		want     string
	}{
		{"password alone", sealed, "", false, "INPUT_INVALID"},
		{"code alone", nil, code, false, "INPUT_INVALID"},
		{"neither", nil, "", false, "INPUT_INVALID"},
		{"graphic code alone", nil, "", true, "INPUT_INVALID"},
		{"graphic code and password", sealed, "", true, "INPUT_INVALID"},
		{"graphic code and code", nil, code, true, "INPUT_INVALID"},
		{"graphic code for code", sealed, captchatest.Answer, true, "LOGIN_FAILED"},
		{"wrong password", w.phone.Password(t, "tide-2026y"), code, false, "LOGIN_FAILED"},
		{"password in capitals", w.phone.Password(t, "TIDE-2026X"), code, false, "LOGIN_FAILED"},
		{"empty password", w.phone.Password(t, ""), code, false, "LOGIN_FAILED"},
		{"two passwords", sealed, bank.TradePassword, false, "LOGIN_FAILED"},
		{"two codes", w.phone.Password(t, code), code, false, "LOGIN_FAILED"},
		{"trade password", w.phone.Password(t, bank.TradePassword), code, false, "LOGIN_FAILED"},
		{"password in clear", []byte(bank.LoginPassword), code, false, "PASSWORD_UNSEALED"},
		{"password sealed for another channel", tablet.Password(t, bank.LoginPassword), code, false, "PASSWORD_UNSEALED"},
		{"password sealed to another key", toChannelKey, code, false, "PASSWORD_UNSEALED"},
		{"wrong code", sealed, otptest.Wrong(code), false, "LOGIN_FAILED"},
		{"code with more after it", sealed, code + "0", false, "INPUT_INVALID"},
		{"code but for its last digit", sealed, code[:5], false, "INPUT_INVALID"},
		{"both", sealed, code, false, ""},
	} {
		w.ForgetAttempts(t)
		w.Exec(t, "UPDATE otp_challenge SET tries = 0")
		r := w.request(t, w.phone, "", "")
		r.Password, r.OTP = tt.password, tt.code
		if tt.captcha {
			r = w.solved(t, w.phone, r)
		}
		session := "SESSION_REQUIRED"
		if tt.want == "" {
			session = ""
		}
		if got := w.phone.Call(t, identitylogin.Function, "", r); got.Code != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got.Code, tt.want)
		}
		if got := w.phone.Call(t, identityme.Function, "", struct{}{}); got.Code != session {
			t.Errorf("%s: the next call got %q, want %q", tt.name, got.Code, session)
		}
	}
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, tt := range []struct{ name, body, field string }{
		{"no phone", `{"password":"AAAA","otp":"123456"}`, "phone"},
		{"short phone", `{"phone":"1381000791","password":"AAAA","otp":"123456"}`, "phone"},
		{"long phone", `{"phone":"138100079190","password":"AAAA","otp":"123456"}`, "phone"},
		{"landline", `{"phone":"12810007919","password":"AAAA","otp":"123456"}`, "phone"},
		{"foreign number", `{"phone":"+1 13810007919","password":"AAAA","otp":"123456"}`, "phone"},
		{"number for phone", `{"phone":13810007919,"password":"AAAA","otp":"123456"}`, "phone"},
		{"number for code", `{"phone":"13810007919","password":"AAAA","otp":123456}`, "otp"},
		{"no device key", `{"phone":"13810007919","password":"AAAA","otp":"123456","device_public_key":"AAAA"}`, "device_public_key"},
		{"password not base64", `{"phone":"13810007919","password":"?","otp":"123456"}`, "password"},
		{"customer named", `{"phone":"13810007919","password":"AAAA","otp":"123456","customer_id":"x"}`, "customer_id"},
		{"letters for a code", `{"phone":"13810007919","password":"AAAA","otp":"abcdef"}`, "otp"},
		{"full-width digits for a code", `{"phone":"13810007919","password":"AAAA","otp":"１２３４５６"}`, "otp"},
		{"a graphic code without answer", `{"phone":"13810007919","password":"AAAA","otp":"123456","captcha_id":"x"}`, "captcha_answer"},
		{
			"an answer without six digits",
			`{"phone":"13810007919","password":"AAAA","otp":"123456","captcha_id":"x","captcha_answer":"12345x"}`, "captcha_answer",
		},
		{"an answer to no graphic code", `{"phone":"13810007919","password":"AAAA","otp":"123456","captcha_answer":"1"}`, "captcha_id"},
		{"a card alone", `{"phone":"13810007919","password":"AAAA","otp":"123456","card_no":"622848000000010001"}`, "trade_password"},
		{"a trade password alone", `{"phone":"13810007919","password":"AAAA","otp":"123456","trade_password":"AAAA"}`, "card_no"},
		{
			"a word for a card",
			`{"phone":"13810007919","password":"AAAA","otp":"123456","trade_password":"AAAA","card_no":"hello"}`, "card_no",
		},
		{"nothing", `null`, "request"},
		{"list", `[]`, ""},
	} {
		got := w.phone.Call(t, identitylogin.Function, "", json.RawMessage(tt.body))
		if got.Code != "INPUT_INVALID" || got.Problem.Field != tt.field {
			t.Errorf("%s: %q of %q, want INPUT_INVALID of %q", tt.name, got.Code, got.Problem.Field, tt.field)
		}
	}
	if got := w.attempts(t); got != nil {
		t.Errorf("attempts were counted: %+v", got)
	}
}

func TestDependenciesDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := w.right(t, w.phone)
	broken := bank.On(t, pgtest.Broken(t))
	d := broken.Device(t, "phone-of-wang")
	d.Call(t, identitylogin.Function, "", identitylogin.Request{
		Phone: w.wang.Phone, Password: d.Password(t, bank.LoginPassword), OTP: "123456",
	}).Want(t, "SERVICE_UNAVAILABLE")

	// The graphic code can't be checked: nothing is taken on trust.
	r = w.solved(t, w.phone, r)
	w.Redis.SetError("down")
	w.want(t, w.phone, r, "SERVICE_UNAVAILABLE")
	w.Redis.SetError("")
	wantSession(t, w.phone, "SESSION_REQUIRED")
}
