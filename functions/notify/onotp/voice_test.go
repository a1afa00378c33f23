package onotp_test

import (
	"net/http"
	"strings"
	"testing"

	notifyonotp "github.com/tidebank/tidebank/functions/notify/onotp"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/smstest"
)

// A call tells the code of an intent twice, digit by digit, with its purpose. No text holds it. A gateway that
// delays or loses its answer is asked again, and calls once.
func TestACallTellsTheCode(t *testing.T) {
	t.Parallel()
	w := fixture{Pair: bank.NewPair(t, 10_000_00)}
	var calls *smssim.Gateway
	w.sms, calls = smstest.StartBoth(t, w.Bank, notifyonotp.Function)
	in := w.Prepare(t, w.ToPayee(1_234_56))
	e := w.ask(t, map[string]any{"purpose": otp.Intent, "way": otp.ByVoice, "intent_id": in.IntentID})
	calls.SetFaults(smssim.Faults{SwallowAnswer: 1})
	w.deliver(t, e, http.StatusServiceUnavailable)
	w.deliver(t, e, http.StatusAccepted)
	w.deliver(t, e, http.StatusAccepted) // a duplicate
	said := calls.Inbox(w.Payer.Phone)
	if len(said) != 1 {
		t.Fatalf("calls: %v", said)
	}
	code := otptest.Code(t, w.Bank, stepup.VoiceSubject(in.IntentID))
	spoken := strings.Join(strings.Split(code, ""), "，")
	if strings.Count(said[0].Text, spoken) != 2 || !strings.Contains(said[0].Text, "1,234.56元") || strings.Contains(said[0].Text, "【") {
		t.Errorf("the call says %q", said[0].Text)
	}
	w.wantTexts(t, 0)
	if n := w.Count(t, "SELECT calls FROM sms_use WHERE span = 'day'"); n != 1 {
		t.Errorf("%d calls are counted", n)
	}

	// The code that a call tells before login is that of its purpose.
	request := otptest.Request(t, w.Bank, w.Phone, otp.Login, w.Payer.Phone)
	request["way"] = otp.ByVoice
	w.deliver(t, w.ask(t, request), http.StatusAccepted)
	if said := calls.Inbox(w.Payer.Phone); len(said) != 2 || !strings.Contains(said[0].Text, "登录手机银行") {
		t.Errorf("calls: %v", said)
	}
	w.wantTexts(t, 0)
}
