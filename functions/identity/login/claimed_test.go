package login_test

import (
	"fmt"
	"testing"
	"time"

	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
)

// Whoever knows the id of a customer's device claims it, with another key or without a key.
// They lock the customer's own device out neither of the login nor of its codes, void no
// code of it, and are an unknown device themselves.
func TestAClaimedDeviceIDLocksNobodyOut(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	check.Must(t, w.Seeder().SignUp(t.Context(), w.wang, bank.LoginPassword, bank.TradePassword, w.phone.ID, w.phone.PublicKey(t)))
	for name, thief := range map[string]*bank.Device{"another key": w.anotherKey(t, w.phone)} {
		thief.IP = "198.51.100.7"
		for range 5 {
			w.want(t, thief, w.solved(t, thief, w.request(t, thief, bank.LoginPassword, "000000")), "LOGIN_FAILED")
		}
		for n := range 12 {
			plain := map[string]any{"purpose": otp.Login, "phone": w.wang.Phone}
			if got := thief.Call(t, otpsend.Function, "", plain); got.Code != "CAPTCHA_REQUIRED" {
				t.Errorf("%s: a code without a picture: %q", name, got.Code)
			}
			own := w.plain(t, w.phone)
			own.Want(t, map[bool]string{true: "", false: "OTP_TOO_OFTEN"}[n < 10])
			code := otptest.Code(t, w.Bank, otptest.Subject(t, w.Bank, w.phone, otp.Login, w.wang.Phone))
			got := thief.Call(t, otpsend.Function, "", otptest.Request(t, w.Bank, thief, otp.Login, w.wang.Phone))
			fmt.Println(n, got.Code)
			w.want(t, w.phone, w.request(t, w.phone, bank.LoginPassword, code), "")
			w.Advance(time.Minute)
		}
	}
}

func (w fixture) plain(t *testing.T, d *bank.Device) bank.Reply {
	t.Helper()
	return d.Call(t, otpsend.Function, "", map[string]any{"purpose": otp.Login, "phone": w.wang.Phone})
}
