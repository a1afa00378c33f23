package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/otptest"
)

// asks gives the app a customer who gives these answers to graphic codes, one after the
// other. It returns how many codes the customer was shown.
func (w *fixture) asks(t *testing.T, answers ...string) (shown func() int) {
	t.Helper()
	n := 0
	w.config.Captcha = func(context.Context, []byte) (string, error) {
		for _, key := range w.Redis.Keys() {
			if id, found := strings.CutPrefix(key, "captcha:"); found {
				_, value := captcha.Kept(w.Host.Keys, id, captchatest.Answer)
				check.Must(t, w.Redis.Set(key, string(value)))
			}
		}
		n++
		return answers[n-1], nil
	}
	w.app = client.New(w.config)
	return func() int { return n }
}

// solved is an answered graphic code that the app fetched by itself.
func (w *fixture) solved(t *testing.T) client.Captcha {
	t.Helper()
	issued, err := w.app.CaptchaIssue(t.Context())
	check.Must(t, err)
	key, value := captcha.Kept(w.Host.Keys, issued.CaptchaID, captchatest.Answer)
	check.Must(t, w.Redis.Set(key, string(value)))
	return client.Captcha{ID: issued.CaptchaID, Answer: captchatest.Answer}
}

// failedLogins makes so many failed log-ins that the next one needs a graphic code.
func (w *fixture) failedLogins(t *testing.T, c seed.Customer, code string) {
	t.Helper()
	for range 3 {
		_, err := w.app.Login(t.Context(), c.Phone, "wrong-pass1", code)
		want(t, err, "LOGIN_FAILED")
	}
}

func want(t *testing.T, err error, code string) {
	t.Helper()
	if !errors.Is(err, &client.Problem{Code: code}) {
		t.Fatalf("%v, want %s", err, code)
	}
}

// After three failures the bank asks for a graphic code. The client shows it to the
// customer, another after a wrong answer, and logs in.
func TestALoginShowsTheCustomerAGraphicCode(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.customer(t)
	shown := w.asks(t, "no idea", captchatest.Answer)
	code := w.code(t, otp.Login, c.Phone)
	w.failedLogins(t, c, code)
	_, err := w.app.Login(t.Context(), c.Phone, bank.LoginPassword, code)
	check.Must(t, err)
	if shown() != 2 {
		t.Errorf("the customer was shown %d codes, want 2", shown())
	}
}

// An app that shows graphic codes by itself passes the answer with the credentials.
func TestALoginBringsASolvedGraphicCode(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.customer(t)
	code := w.code(t, otp.Login, c.Phone)
	w.failedLogins(t, c, code)
	with := client.Credentials{Phone: c.Phone, Password: bank.LoginPassword, OTP: code}
	_, err := w.app.LoginBinding(t.Context(), with)
	want(t, err, "CAPTCHA_REQUIRED")
	with.Captcha = w.solved(t)
	_, err = w.app.LoginBinding(t.Context(), with)
	check.Must(t, err)
}

func (w *fixture) application(c seed.Customer, code string) client.Application {
	return client.Application{
		Name: c.Name, IDNo: c.IDNo, CardNo: c.Accounts[0].No, CardPassword: c.CardPassword, Phone: c.Phone, OTP: code,
		LoginPassword: bank.LoginPassword, TradePassword: bank.TradePassword,
	}
}

// crowd makes so many failures at the app's network address that sign-ups need a graphic
// code.
func (w *fixture) crowd(t *testing.T) {
	t.Helper()
	for range 30 {
		check.Must(t, captcha.New(w.Host.Redis, w.Host.Keys).CountFailure(t.Context(), "127.0.0.1"))
	}
}

func TestASignUpShowsTheCustomerAGraphicCode(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.Customer(t, "王小明", 1000_00)
	shown := w.asks(t, captchatest.Answer, captchatest.Answer)
	w.crowd(t)
	check.Must(t, w.app.SendOTP(t.Context(), otp.Register, c.Phone, client.Captcha{}))
	check.Must(t, w.app.Register(t.Context(), w.application(c, w.sentCode(t, otp.Register, c.Phone))))
	if shown() != 2 {
		t.Errorf("the customer was shown %d codes, want one for the text message and one for the sign-up", shown())
	}
}

func TestASignUpBringsASolvedGraphicCode(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.Customer(t, "王小明", 1000_00)
	code := w.code(t, otp.Register, c.Phone)
	w.crowd(t)
	with := w.application(c, code)
	want(t, w.app.Register(t.Context(), with), "CAPTCHA_REQUIRED")
	with.Captcha = w.solved(t)
	check.Must(t, w.app.Register(t.Context(), with))
}

// The client gives up after a few wrong answers, and when the customer does.
func TestTheCustomerGivesUpALogin(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.customer(t)
	shown := w.asks(t, "no idea", "12345", "000000")
	code := w.code(t, otp.Login, c.Phone)
	w.failedLogins(t, c, code)
	_, err := w.app.Login(t.Context(), c.Phone, bank.LoginPassword, code)
	want(t, err, "CAPTCHA_REJECTED")
	if shown() != 3 {
		t.Errorf("the customer was shown %d codes, want 3", shown())
	}
	w.config.Captcha = func(context.Context, []byte) (string, error) { return "", context.Canceled }
	w.app = client.New(w.config)
	if _, err := w.app.Login(t.Context(), c.Phone, bank.LoginPassword, code); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the customer's own error", err)
	}
}

// Hellos that the bank goes on refusing are not refused calls: the customer is not asked
// for more codes.
func TestAHelloIsAskedForOnce(t *testing.T) {
	t.Parallel()
	config, _ := newCrowdedBank(t)
	asked := 0
	config.Captcha = func(context.Context, []byte) (string, error) { asked++; return "000000", nil }
	want(t, client.New(config).SendOTP(t.Context(), otp.Login, "13900001111", client.Captcha{}), "CAPTCHA_REJECTED")
	if asked != 3 {
		t.Errorf("the customer was shown %d codes, want 3", asked)
	}
}

// A device whose key is bound takes a new key by the old one, without passwords.
func TestTheOldKeyReplacesItself(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.customer(t)
	w.login(t, c)
	old := w.config.Device
	w.config.Device = keytest.PrivateKey(t)
	w.app = client.New(w.config)
	w.Advance(time.Minute) // until the next code
	with := client.Credentials{
		Phone: c.Phone, Password: bank.LoginPassword, OTP: w.code(t, otp.Login, c.Phone), OldDevice: old,
	}
	reply, err := w.app.LoginBinding(t.Context(), with)
	check.Must(t, err)
	if !reply.DeviceBound {
		t.Error("the new key is not bound")
	}
}

// An app without a device key logs in. It can't do what needs the key, and says so.
func TestAnAppWithoutADeviceKey(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.customer(t)
	w.config.Device = nil
	w.app = client.New(w.config)
	with := client.Credentials{Phone: c.Phone, Password: bank.LoginPassword, OTP: w.code(t, otp.Login, c.Phone)}
	reply, err := w.app.LoginBinding(t.Context(), with)
	check.Must(t, err)
	if reply.DeviceBound {
		t.Error("a key is bound")
	}
	old, step := with, with
	old.OldDevice, step.TradePassword, step.CardNo = keytest.PrivateKey(t), bank.TradePassword, c.Accounts[0].No
	_, byOld := w.app.LoginBinding(t.Context(), old)
	_, byPassword := w.app.LoginBinding(t.Context(), step)
	_, bySignature := w.app.SignProof("text")
	for what, err := range map[string]error{
		"sign-up": w.app.Register(t.Context(), w.application(c, "123456")), "old key": byOld, "trade password": byPassword,
		"proof": bySignature,
	} {
		if !errors.Is(err, client.ErrNoDevice) {
			t.Errorf("%s: %v, want ErrNoDevice", what, err)
		}
	}
}

// sentCode reads the code that the bank sent to the app.
func (w *fixture) sentCode(t *testing.T, purpose, phone string) string {
	t.Helper()
	origin := device.Origin{DeviceID: w.config.DeviceID}
	if w.config.Device != nil {
		var err error
		origin.Public, err = w.config.Device.Public().Marshal()
		check.Must(t, err)
	}
	return otptest.Code(t, w.Bank, otp.PhoneSubject(purpose, customer.PhoneIndex(w.Host.Keys, phone), origin.Digest()))
}
