package register_test

import (
	"strings"
	"testing"
	"time"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	identityregister "github.com/tidebank/tidebank/functions/identity/register"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
)

// A customer signs up and logs in, well and badly. Then the test searches everything
// that the bank keeps, and all that went over the wire.
func TestNothingPersonalRestsInClear(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	var wire, replies strings.Builder
	w.phone.Wire = &wire
	call := func(f fn.Function, key string, request any, want string) {
		t.Helper()
		reply := w.phone.Call(t, f, key, request)
		reply.Want(t, want)
		replies.Write(reply.Body)
	}
	code := w.ask(t)
	wrong := w.right(t, code)
	wrong.Name = "王大明"
	call(identityregister.Function, "one", wrong, "REGISTRATION_REFUSED")
	weak := w.right(t, code)
	weak.LoginPassword = w.phone.Password(t, w.wang.Phone+"x")
	call(identityregister.Function, "two", weak, "PASSWORD_WEAK")
	call(identityregister.Function, "three", w.right(t, code), "")
	try := w.phone.LogIn(t, w.wang, otptest.Ask(t, w.Bank, w.phone, otp.Login, w.wang.Phone))
	bad := try
	bad.Password = w.phone.Password(t, "not-it-2026")
	call(identitylogin.Function, "", bad, "LOGIN_FAILED")
	call(identitylogin.Function, "", try, "")
	call(identityme.Function, "", struct{}{}, "")
	w.Advance(time.Second)

	places := map[string]string{
		"database": w.Stored(t), "cache": w.Cached(t), "log": w.Log.String(), "replies": replies.String(),
		"wire": wire.String(),
	}
	// The search must find values that are there.
	for place, known := range map[string]string{
		"database": "622848*********0001", "cache": w.phone.ID, "log": "REGISTRATION_REFUSED", "replies": "registered",
	} {
		if !strings.Contains(places[place], known) {
			t.Errorf("the search of the %s does not find %q", place, known)
		}
	}
	if !strings.Contains(places["replies"], "**明") {
		t.Error("the search would not find Chinese")
	}
	for place, text := range places {
		for name, secret := range map[string]string{
			"name": w.wang.Name, "phone": w.wang.Phone, "identity number": w.wang.IDNo, "card": w.wang.Accounts[0].No,
			"login password": bank.LoginPassword, "trade password": bank.TradePassword, "card password": bank.CardPassword,
			"wrong password": "not-it-2026", "code to sign up": code, "code to log in": try.OTP,
		} {
			if bank.Shows(text, secret) {
				t.Errorf("the %s shows the %s", place, name)
			}
		}
	}
}
