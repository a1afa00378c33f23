package send_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/uplink"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
)

// by is a request for an intent's code by a way.
func by(way string, intent uuid.UUID) map[string]any {
	return map[string]any{"purpose": otp.Intent, "way": way, "intent_id": intent}
}

// The code of a call is another one than that of a text, and counts in a quota of its own.
func TestACallTellsAnotherCode(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.prepare(t).IntentID
	w.askFor(t, w.Phone, in).Want(t, "")
	w.Phone.Call(t, otpsend.Function, "", by(otp.ByVoice, in)).Want(t, "")
	w.Phone.Call(t, otpsend.Function, "", by(otp.ByVoice, in)).Want(t, "OTP_TOO_OFTEN")
	issued := w.issued(t)
	if len(issued) != 2 || issued[0].Called || !issued[1].Called || issued[1].Challenge != stepup.VoiceSubject(in) ||
		issued[1].Purpose != otp.Voice || issued[0].Challenge == issued[1].Challenge {
		t.Errorf("issued %+v", issued)
	}
	// Before login, a call only brings the code of the purpose.
	request := otptest.Request(t, w.Bank, w.Phone, otp.Login, w.Payer.Phone)
	request["way"] = otp.ByVoice
	w.Phone.Call(t, otpsend.Function, "", request).Want(t, "")
	if last := w.issued(t)[2]; !last.Called || last.Purpose != otp.Login {
		t.Errorf("issued %+v", last)
	}
}

// All unknown devices together let a number be called three times a day, for whatever purpose and by whichever of its
// holder's names, and still get texts.
func TestStrangersCallANumberSeldom(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, "UPDATE customer SET alias_bidx = $2 WHERE id = $1", w.Payer.ID, customer.LoginIndex(w.Host.Keys, "", "wang-9"))
	n := 0
	ask := func(purpose, alias, way string) bank.Reply {
		t.Helper()
		n++
		w.Advance(time.Minute)
		d := w.Device(t, fmt.Sprintf("stranger-%d", n))
		d.IP = fmt.Sprintf("198.51.100.%d", n)
		request := otptest.Request(t, w.Bank, d, purpose, w.Payer.Phone)
		if alias != "" {
			request = otptest.AliasRequest(t, w.Bank, d, alias)
		}
		request["way"] = way
		return d.Call(t, otpsend.Function, "", request)
	}
	ask(otp.Login, "", otp.ByVoice).Want(t, "")
	ask(otp.Forgotten, "", otp.ByVoice).Want(t, "")
	ask(otp.Login, "wang-9", otp.ByVoice).Want(t, "")
	for _, purpose := range []string{otp.Login, otp.Forgotten, otp.Register} {
		ask(purpose, "", otp.ByVoice).Want(t, "OTP_TOO_OFTEN")
	}
	ask(otp.Login, "wang-9", otp.ByVoice).Want(t, "OTP_TOO_OFTEN")
	ask(otp.Login, "", "sms").Want(t, "")
	ask(otp.Login, "nobody-9", otp.ByVoice).Want(t, "")
}

func TestCallsHaveABudgetOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.prepare(t).IntentID
	w.Exec(t, "INSERT INTO sms_use (span, starts_at, codes, notices, calls) VALUES ('minute', $1, 0, 0, 200)", w.Clock.Now())
	w.Phone.Call(t, otpsend.Function, "", by(otp.ByVoice, in)).Want(t, "SMS_EXHAUSTED")
	w.askFor(t, w.Phone, in).Want(t, "")
	w.Exec(t, "UPDATE sms_use SET codes = 2000, calls = 199")
	w.Phone.Call(t, otpsend.Function, "", by(otp.ByVoice, in)).Want(t, "")
	w.askFor(t, w.Phone, w.prepare(t).IntentID).Want(t, "SMS_EXHAUSTED")
}

// Unknown devices can use up a part of the calls' budget only: customers still get the calls for their intents.
func TestStrangersLeaveCallsToCustomers(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	stranger := w.Device(t, "stranger")
	ask := func(d *bank.Device) bank.Reply {
		t.Helper()
		request := otptest.Request(t, w.Bank, d, otp.Login, w.Payer.Phone)
		request["way"] = otp.ByVoice
		return d.Call(t, otpsend.Function, "", request)
	}
	in := w.prepare(t).IntentID
	w.Exec(t, "INSERT INTO sms_use (span, starts_at, codes, notices, unknown_calls) VALUES ('minute', $1, 0, 0, 50)", w.Clock.Now())
	ask(stranger).Want(t, "SMS_EXHAUSTED")
	w.Phone.Call(t, otpsend.Function, "", by(otp.ByVoice, in)).Want(t, "")
	ask(w.Phone).Want(t, "")
	w.Exec(t, "UPDATE sms_use SET unknown_calls = 49")
	ask(stranger).Want(t, "")
	issued := w.issued(t)
	if len(issued) != 3 || issued[0].Unknown || issued[1].Unknown || !issued[2].Unknown {
		t.Errorf("issued %+v", issued)
	}
	w.Exec(t, "UPDATE sms_use SET calls = 151")
	w.Phone.Call(t, otpsend.Function, "", by(otp.ByVoice, w.prepare(t).IntentID)).Want(t, "SMS_EXHAUSTED")
}

func TestATextOfTheCustomer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.prepare(t).IntentID
	w.Phone.Call(t, otpsend.Function, "", by(otp.ByUplink, in)).Want(t, "UPLINK_CLOSED")
	request := otptest.Request(t, w.Bank, w.Phone, otp.Login, w.Payer.Phone)
	request["way"] = otp.ByUplink
	w.Phone.Call(t, otpsend.Function, "", request).Want(t, "INPUT_INVALID")

	open := newFixture(t)
	open.Open(t, otpsend.Function, uplink.Config{Number: "10690000"})
	open.Phone.Call(t, otpsend.Function, "", by(otp.ByUplink, uuid.New())).Want(t, "OBJECT_NOT_FOUND")
	var shown otpsend.Response
	open.Phone.Call(t, otpsend.Function, "", by(otp.ByUplink, open.prepare(t).IntentID)).Into(t, &shown)
	if shown.UplinkNumber != "10690000" || len(shown.UplinkText) != uplink.Digits || len(open.issued(t)) != 0 {
		t.Errorf("shown %+v", shown)
	}
	open.Phone.Reopen(t)
	open.Phone.Call(t, otpsend.Function, "", by(otp.ByUplink, uuid.New())).Want(t, "SESSION_REQUIRED")
	if strings.Contains(open.Stored(t), shown.UplinkText) {
		t.Error("the database holds the text in clear")
	}
}
