package login_test

import (
	"maps"
	"testing"
	"time"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
)

// askOn asks for a code as a caller does who proves the device's key, or no key.
func (w fixture) askOn(t *testing.T, d *bank.Device, keyless, solved bool) string {
	t.Helper()
	r := map[string]any{"purpose": otp.Login, "phone": w.wang.Phone}
	if !keyless {
		r["device_public_key"], r["device_signature"] = d.PublicKey(t), d.Possession(t)
	}
	if solved {
		maps.Copy(r, map[string]any{"captcha_id": captchatest.Solved(t, w.Bank, d), "captcha_answer": captchatest.Answer})
	}
	return d.Call(t, otpsend.Function, "", r).Code
}

// Whoever knows the id of a customer's device can claim it, with another key or without
// a key. They lock neither the login of the customer's own device nor its codes, void no
// code of it, and are unknown devices themselves.
func TestAClaimedDeviceIDLocksNobodyOut(t *testing.T) {
	t.Parallel()
	for name, keyless := range map[string]bool{"another key": false, "no key": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			check.Must(t, w.Seeder().SignUp(t.Context(), w.wang, bank.LoginPassword, bank.TradePassword, w.phone.ID, w.phone.PublicKey(t)))
			thief := w.anotherKey(t, w.phone)
			thief.IP = "198.51.100.7"
			guess := func(code string) identitylogin.Request {
				r := w.solved(t, thief, w.request(t, thief, bank.LoginPassword, code))
				if keyless {
					r.DevicePublicKey, r.DeviceSignature = nil, nil
				}
				return r
			}
			for range 6 {
				w.want(t, thief, guess("000000"), "LOGIN_FAILED")
			}
			for n := range 10 {
				if got := w.askOn(t, thief, keyless, false); got != "CAPTCHA_REQUIRED" {
					t.Errorf("a stranger's code without a picture: %q", got)
				}
				if got := w.askOn(t, w.phone, false, false); got != "" { // the customer's ten of a day
					t.Fatalf("the customer's code %d: %q", n, got)
				}
				code := otptest.Code(t, w.Bank, otptest.Subject(t, w.Bank, w.phone, otp.Login, w.wang.Phone))
				want := ""
				if n >= 5 { // the codes of one address to a number
					want = "OTP_TOO_OFTEN"
				}
				if got := w.askOn(t, thief, keyless, true); got != want {
					t.Errorf("the stranger's code %d: %q, want %q", n, got, want)
				}
				w.want(t, thief, guess(code), "LOGIN_FAILED") // the customer's code is not for the stranger
				w.want(t, w.phone, w.request(t, w.phone, bank.LoginPassword, code), "")
				w.Advance(time.Minute)
			}
			w.wantAttempts(t, attempts{})
		})
	}
}

// A caller without a key can log in, as an unknown device. A code is only for the
// caller who proved the same key when asking for it.
func TestACodeIsForTheKeyThatAskedForIt(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	if got := w.askOn(t, w.phone, true, true); got != "" {
		t.Fatalf("a code without a key: %q", got)
	}
	claimed := otp.PhoneSubject(otp.Login, customer.PhoneIndex(w.Host.Keys, w.wang.Phone), device.Origin{DeviceID: w.phone.ID}.Digest())
	r := w.request(t, w.phone, bank.LoginPassword, otptest.Code(t, w.Bank, claimed))
	w.want(t, w.phone, r, "LOGIN_FAILED")
	r.DevicePublicKey, r.DeviceSignature = nil, nil
	w.want(t, w.phone, r, "")
}
