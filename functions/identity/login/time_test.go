package login_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// apart is how much longer one kind of failure may take than another, in percent:
// checking a password takes more than half of a login's time, so leaving it out for
// one kind would show at once.
const apart = 25

// TestFailuresTakeAsLong measures the kinds of failure by turns and compares the
// fastest answer of each, because other work of the machine slows that one least. On a
// busy machine it takes more turns until each kind has met a quiet moment.
func TestFailuresTakeAsLong(t *testing.T) { //nolint:paralleltest // other tests would be measured too
	req.Covers(t, "AUTH-009.3")
	w := newFixture(t)
	w.Host.Hashing = password.NewHashing(password.Config{Rounds: 10_000}) // more than the stored passwords have
	half := w.Clock.Now().Add(30 * time.Minute)
	locked := w.customer(t, "李四")
	password, code := w.phone.Password(t, bank.LoginPassword), w.ask(t, w.phone)
	own := otptest.Ask(t, w.Bank, w.phone, otp.Login, locked.Phone)
	key, possession := w.phone.PublicKey(t), w.phone.Possession(t)
	w.alias(t, w.wang, "tide.fan")
	kinds := map[string]identitylogin.Request{
		"unknown user":   {Phone: "13999999999", Password: password, OTP: code},
		"wrong password": {Phone: w.wang.Phone, Password: w.phone.Password(t, "not-it-2026"), OTP: code},
		"wrong code":     {Phone: w.wang.Phone, Password: password, OTP: otptest.Wrong(code)},
		"unknown alias":  {Alias: "tide.nobody", Password: password, OTP: code},
		"alias":          {Alias: "tide.fan", Password: w.phone.Password(t, "not-it-2026"), OTP: code},
		"locked user":    {Phone: locked.Phone, Password: password, OTP: own},
	}
	fastest := map[string]time.Duration{}
	for turn := range 500 {
		for name, request := range kinds {
			w.ForgetAttempts(t)
			w.lock(t, locked.Phone, &half, false)
			w.Exec(t, "UPDATE otp_challenge SET tries = 0")
			request.DevicePublicKey, request.DeviceSignature = key, possession
			frame := w.phone.Frame(t, identitylogin.Function, "", request)
			began := time.Now()
			reply := w.phone.Send(t, identitylogin.Function, frame)
			took := time.Since(began)
			reply.Want(t, "LOGIN_FAILED")
			if best, ok := fastest[name]; !ok || took < best {
				fastest[name] = took
			}
		}
		times := slices.Sorted(maps.Values(fastest))
		if turn >= 20 && times[len(times)-1] <= times[0]*(100+apart)/100 {
			return
		}
	}
	t.Errorf("the time of an answer tells the failures apart: %v", fastest)
}
