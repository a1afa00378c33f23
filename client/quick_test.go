package client_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/otptest"
)

// proved prepares a way of quick login, and proves it by a known password, a code and a signature.
func (w *fixture) proved(t *testing.T, what stepup.Change) (intent uuid.UUID, proofs []client.StepupProof) {
	t.Helper()
	in, err := w.app.IdentityChangePrepare(t.Context(), client.IdentityChangePrepareRequest{Change: string(what)})
	check.Must(t, err)
	w.Exec(t, "DELETE FROM otp_quota")
	check.Must(t, w.app.SendIntentOTP(t.Context(), in.IntentID))
	factor, clear := "trade_password", bank.TradePassword
	if what == stepup.SetGesture {
		factor, clear = "login_password", bank.LoginPassword
	}
	sealed, err := w.app.SealPassword(t.Context(), clear)
	check.Must(t, err)
	signed, err := w.app.SignProof(in.Text)
	check.Must(t, err)
	return in.IntentID, []client.StepupProof{
		client.OTPProof(otptest.Code(t, w.Bank, stepup.Subject(in.IntentID))), {Factor: factor, Password: sealed}, signed,
	}
}

// An app sets gesture, finger and face, and logs in by each of them, also on a new channel and
// after a graphic code.
func TestAnAppLogsInQuickly(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.customer(t)
	w.login(t, c)
	intent, proofs := w.proved(t, stepup.SetGesture)
	check.Must(t, w.app.SetGesture(t.Context(), intent, bank.Gesture, proofs...))
	keys := map[device.Method]*sm.PrivateKey{device.ByFingerprint: keytest.PrivateKey(t), device.ByFace: keytest.PrivateKey(t)}
	for by, what := range map[device.Method]stepup.Change{device.ByFingerprint: stepup.SetFingerprint, device.ByFace: stepup.SetFace} {
		intent, proofs := w.proved(t, what)
		check.Must(t, w.app.SetUnlockKey(t.Context(), intent, by, keys[by], proofs...))
	}
	for _, with := range []client.Quick{
		{Phone: c.Phone, Method: device.ByGesture, Gesture: bank.Gesture},
		{Phone: c.Phone, Method: device.ByFingerprint, Unlocked: keys[device.ByFingerprint]},
		{Phone: c.Phone, Method: device.ByFace, Unlocked: keys[device.ByFace]},
	} {
		w.Redis.FlushAll() // ends the session and the channel
		if _, err := w.app.IdentityMe(t.Context()); !errors.Is(err, &client.Problem{Code: "SESSION_REQUIRED"}) {
			t.Errorf("%v, want SESSION_REQUIRED", err)
		}
		w.Redis.FlushAll()
		reply, err := w.app.QuickLogin(t.Context(), with)
		check.Must(t, err)
		if len(reply.Environment.Warnings) != 0 {
			t.Errorf("%s: %+v", with.Method, reply.Environment)
		}
		_, err = w.app.IdentityMe(t.Context())
		check.Must(t, err)
	}
	for range 3 {
		_, err := w.app.QuickLogin(t.Context(), client.Quick{Phone: c.Phone, Method: device.ByGesture, Gesture: "14789"})
		want(t, err, "LOGIN_FAILED")
	}
	shown := w.asks(t, captchatest.Answer)
	_, err := w.app.QuickLogin(t.Context(), client.Quick{Phone: c.Phone, Method: device.ByGesture, Gesture: bank.Gesture})
	if check.Must(t, err); shown() != 1 {
		t.Errorf("the customer was shown %d graphic codes", shown())
	}
	w.config.Device = nil
	_, err = client.New(w.config).QuickLogin(t.Context(), client.Quick{Phone: c.Phone, Method: device.ByGesture, Gesture: bank.Gesture})
	if !errors.Is(err, client.ErrNoDevice) {
		t.Errorf("%v, want ErrNoDevice", err)
	}
}
