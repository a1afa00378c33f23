package uplink_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	otpuplink "github.com/tidebank/tidebank/functions/otp/uplink"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/uplink"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

const secret = "secret-of-a-test"

type fixture struct{ bank.Pair }

func newFixture(t *testing.T) fixture {
	t.Helper()
	p := bank.NewPair(t, 10_000_00)
	p.Open(t, otpuplink.Function, uplink.GatewayConfig{Secret: secret})
	p.Open(t, otpsend.Function, uplink.Config{Number: "106900001111"})
	return fixture{p}
}

// offered is the text that the app shows for the intent.
func (w fixture) offered(t *testing.T, in transferprepare.Response) string {
	t.Helper()
	var got otpsend.Response
	w.Phone.Call(t, otpsend.Function, "", map[string]any{
		"purpose": otp.Intent, "way": otp.ByUplink, "intent_id": in.IntentID,
	}).Into(t, &got)
	if got.UplinkNumber != "106900001111" || len(got.UplinkText) != uplink.Digits || got.ExpiresInS != 300 {
		t.Fatalf("offered %+v", got)
	}
	return got.UplinkText
}

func (w fixture) post(t *testing.T, m uplink.Message) (status int, accepted bool, code string) {
	t.Helper()
	reply := bank.Handle(t, w.Open(t, otpuplink.Function), check.JSON(t, m), http.Header{"X-Forwarded-For": {"198.51.100.20"}})
	var got otpuplink.Response
	var problem fn.Problem
	if reply.StatusCode == http.StatusOK {
		check.Must(t, json.Unmarshal(reply.Body, &got))
	} else {
		check.Must(t, json.Unmarshal(reply.Body, &problem))
	}
	return reply.StatusCode, got.Accepted, problem.Code
}

// arrive posts a text that a number has sent.
func (w fixture) arrive(t *testing.T, number, text string) bool {
	t.Helper()
	status, accepted, code := w.post(t, uplink.Message{ID: "in-1", Phone: number, Text: text}.Sign(secret, w.Clock.Now()))
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, code)
	}
	return accepted
}

func (w fixture) confirm(t *testing.T, in transferprepare.Response) bank.Reply {
	t.Helper()
	return w.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{
		{Factor: stepup.UplinkSMS}, w.Signed(t, in), w.Known(t),
	}})
}

// When risk asks for more, a right code in a text is refused, and the customer's own text is accepted, once.
func TestATextFromTheReservedNumber(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-008.1", "OTP-008.2")
	w := newFixture(t)
	w.Exec(t, "UPDATE customer SET risk_grade = $2 WHERE id = $1", w.Payer.ID, risk.GradeRaised)
	in, other := w.Prepare(t, w.ToPayee(1_00)), w.Prepare(t, w.ToPayee(2_00))
	code := w.CodeFor(t, in.IntentID)
	w.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{code, w.Signed(t, in), w.Known(t)}}).
		Want(t, "STEPUP_STRONGER")
	w.confirm(t, in).Want(t, "PROOF_REJECTED") // no text has arrived

	text := w.offered(t, in)
	for number, sent := range map[string]string{w.Payee.Phone: text, w.Payer.Phone: text[:7] + string('0'+(text[7]-'0'+1)%10)} {
		if w.arrive(t, number, sent) {
			t.Errorf("%s from %s is accepted", sent, number)
		}
	}
	w.confirm(t, in).Want(t, "PROOF_REJECTED")
	if !w.arrive(t, "+86 "+w.Payer.Phone, " "+text+" ") || w.arrive(t, w.Payer.Phone, text) {
		t.Fatal("the text is not accepted once")
	}
	w.confirm(t, other).Want(t, "PROOF_REJECTED")
	w.confirm(t, in).Want(t, "")
	w.confirm(t, in).Want(t, "INTENT_USED")
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 1_00 {
		t.Errorf("the payee has %s", got.Yuan())
	}
}

// A later text voids the earlier one, and a text that comes late or after a change of the number counts for nothing.
func TestTextsThatCountForNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.Prepare(t, w.ToPayee(1_00))
	first := w.offered(t, in)
	second := w.offered(t, in)
	if first != second && w.arrive(t, w.Payer.Phone, first) {
		t.Error("an earlier text is accepted")
	}
	w.Advance(5 * time.Minute)
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	if w.arrive(t, w.Payer.Phone, second) {
		t.Error("a text is accepted five minutes after it was shown")
	}
	third := w.offered(t, in)
	w.Advance(4*time.Minute + 59*time.Second)
	if !w.arrive(t, w.Payer.Phone, third) {
		t.Error("a text is refused a second before its end")
	}
	w.Exec(t, "UPDATE customer SET phone_bidx = '\\x01' WHERE id = $1", w.Payer.ID)
	if text := in; w.confirmAt(t, text) != "PROOF_REJECTED" {
		t.Error("a text from a former number confirms")
	}
}

func (w fixture) confirmAt(t *testing.T, in transferprepare.Response) string {
	t.Helper()
	return w.confirm(t, in).Code
}

func TestOnlyTheGatewayIsHeard(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.Prepare(t, w.ToPayee(1_00))
	right := uplink.Message{ID: "in-1", Phone: w.Payer.Phone, Text: w.offered(t, in)}
	changed := right.Sign(secret, w.Clock.Now())
	changed.ID = "in-2"
	for name, m := range map[string]uplink.Message{
		"another secret": right.Sign("another-secret-of-20", w.Clock.Now()), "changed": changed,
		"old":         right.Sign(secret, w.Clock.Now().Add(-5*time.Minute-time.Second)),
		"from future": right.Sign(secret, w.Clock.Now().Add(5*time.Minute+time.Second)),
	} {
		if status, _, code := w.post(t, m); status != http.StatusUnauthorized || code != "UPLINK_REJECTED" {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
	if n := w.Count(t, "SELECT count(*) FROM uplink_text WHERE arrived_at IS NOT NULL"); n != 0 {
		t.Error("a text has arrived that the gateway has not signed")
	}
}

// Texts that arrive twice at once prove one transfer.
func TestTextsAtOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.Prepare(t, w.ToPayee(1_00))
	text := w.offered(t, in)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { w.arrive(t, w.Payer.Phone, text) })
	}
	group.Wait()
	w.confirm(t, in).Want(t, "")
	if w.arrive(t, w.Payer.Phone, text) {
		t.Error("the text is accepted again")
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := fixture{bank.Pair{Bank: bank.On(t, pgtest.Broken(t))}}
	w.Open(t, otpuplink.Function, uplink.GatewayConfig{Secret: secret})
	m := uplink.Message{ID: "in-1", Phone: "13900001111", Text: "12345678"}.Sign(secret, w.Clock.Now())
	if status, _, code := w.post(t, m); code != "SERVICE_UNAVAILABLE" {
		t.Errorf("%d %s", status, code)
	}
}
