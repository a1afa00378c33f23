package register_test

import (
	"testing"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
)

// Failed sign-ups count against their address. From an address that has failed too often,
// a sign-up without a solved graphic code costs no hash and writes no row; a solved code
// lets the customer in.
func TestAFloodOfSignUpsIsAskedForAGraphicCode(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	code := w.ask(t)
	store := captcha.New(w.Host.Redis, w.Host.Keys)
	for range 29 {
		check.Must(t, store.CountFailure(t.Context(), w.phone.IP))
	}
	w.apply(t, w.right(t, otptest.Wrong(code))).Want(t, "REGISTRATION_REFUSED") // the thirtieth failure of the hour
	before := len(w.Outbox(t, events.TypeAccessRecorded))
	attempts := w.Count(t, "SELECT count(*) FROM card_attempt")
	w.Exec(t, "UPDATE otp_challenge SET tries = 0")
	for range 5 {
		w.apply(t, w.right(t, code)).Want(t, "CAPTCHA_REQUIRED")
	}
	if n := len(w.Outbox(t, events.TypeAccessRecorded)); n != before {
		t.Errorf("%d records were written for calls that compared nothing", n-before)
	}
	if n := w.Count(t, "SELECT count(*) FROM card_attempt"); n != attempts {
		t.Errorf("%d attempts at the card were counted", n-attempts)
	}
	request := w.right(t, code)
	request.CaptchaID, request.CaptchaAnswer = captchatest.Solved(t, w.Bank, w.phone), captchatest.Answer
	w.apply(t, request).Want(t, "")
}
