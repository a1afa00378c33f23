package functions_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/spans"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

const (
	cvn2   = "cvn2=527"
	track2 = "6228480000001000=29122011234567890123"
)

// told is all that the bank answered, and the secrets that went in.
type told struct {
	fixture
	replies map[string]string // by call
	codes   []string          // one-time codes
}

// call keeps the reply, refusals too.
func (w *told) call(t *testing.T, name string, request any) bank.Reply {
	t.Helper()
	r := w.Phone.Call(t, functest.Named(t, name), uuid.NewString(), request)
	w.replies[fmt.Sprint(len(w.replies), " ", name)] = string(r.Body)
	return r
}

func (w *told) code(t *testing.T, purpose, number string) string {
	t.Helper()
	code := otptest.Ask(t, w.Bank, w.Phone, purpose, number)
	w.codes = append(w.codes, code)
	return code
}

// live signs a customer up and in, badly and well, and pays, badly and well, with
// secrets where none belong.
func (w *told) live(t *testing.T) {
	t.Helper()
	w.Phone.Reopen(t) // the login of the pair is over: this customer does all of it
	w.Exec(t, "DELETE FROM device")
	w.Exec(t, "DELETE FROM credential")
	form := w.Phone.SignUp(t, w.Payer, w.code(t, otp.Register, w.Payer.Phone))
	spoiled := func(request any, field string, value any) map[string]any { return bank.With(t, request, field, value) }
	w.call(t, "identity-register", spoiled(form, "name", w.Payee.Name)).Want(t, "REGISTRATION_REFUSED")
	w.call(t, "identity-register", spoiled(form, "cvn2", cvn2)).Want(t, "INPUT_INVALID")
	w.call(t, "identity-register", spoiled(form, w.Payer.Accounts[0].No, bank.CardPassword)).Want(t, "INPUT_INVALID")
	w.call(t, "identity-register", spoiled(form, "login_password", bank.LoginPassword)).Want(t, "INPUT_INVALID")
	w.call(t, "identity-register", form).Want(t, "")
	try := w.Phone.LogIn(t, w.Payer, w.code(t, otp.Login, w.Payer.Phone))
	w.call(t, "identity-login", spoiled(try, "password", w.Phone.Password(t, bank.TradePassword))).Want(t, "LOGIN_FAILED")
	w.call(t, "identity-login", spoiled(try, "track", track2)).Want(t, "INPUT_INVALID")
	w.call(t, "identity-login", try).Want(t, "")
	w.call(t, "identity-me", struct{}{}).Want(t, "")
	order := w.ToPayee(1_00)
	order["memo"] = w.Payee.Accounts[0].No + " " + track2
	w.call(t, "transfer-prepare", spoiled(order, "payee_name", "王"+w.Payee.Phone)).Want(t, "PAYEE_MISMATCH")
	w.call(t, "transfer-prepare", spoiled(order, "payee_account_no", bank.TradePassword)).Want(t, "INPUT_INVALID")
	in := w.Prepare(t, order)
	proven := w.Proved(t, in)
	wrong := proven
	wrong.Proofs = slices.Clone(proven.Proofs)
	wrong.Proofs[1].Password = w.Phone.Password(t, bank.LoginPassword)
	w.call(t, "transfer-confirm", wrong).Want(t, "INPUT_INVALID")
	wrong.Proofs[1].Password = w.Phone.Password(t, "480275")
	w.call(t, "transfer-confirm", wrong).Want(t, "PROOF_REJECTED")
	w.call(t, "otp-send", map[string]any{"purpose": otp.Intent, "intent_id": in.IntentID}).Want(t, "")
	w.codes = append(w.codes, otptest.Code(t, w.Bank, "intent:"+in.IntentID.String()))
	w.call(t, "transfer-confirm", proven).Want(t, "")
	w.call(t, "account-statement", map[string]any{"account_id": w.Payer.AccountIDs[0]}).Want(t, "")
	w.call(t, "transfer-list", struct{}{}).Want(t, "")
}

// fail makes the bank's dependencies fail while it handles secrets.
func (w *told) fail(t *testing.T) {
	t.Helper()
	w.sms.SetFaults(smssim.Faults{FailNext: 3})
	w.deliverAll(t)
	w.call(t, "message-list", struct{}{}).Want(t, "")
	for _, f := range eventFunctions(t) {
		body := fmt.Sprintf(`{"specversion":"1.0","id":%q,"data":{"password":%q`, w.Payer.Phone, bank.LoginPassword)
		w.DeliverRaw(t, f, []byte(body), http.Header{"Content-Type": {"application/cloudevents+json"}})
		data := []string{bank.TradePassword, w.Payer.Phone}
		w.Deliver(t, f, w.Event(t, w.Payer.IDNo, f.Spec.Consumes[0], w.Payer.Phone, data))
	}
	broken := bank.On(t, pgtest.Broken(t))
	broken.Host.Keys, broken.Host.Log = w.Host.Keys, w.Host.Log
	phone := broken.Device(t, "phone-of-wang")
	phone.Call(t, functest.Named(t, "identity-login"), "", map[string]any{
		"phone": w.Payer.Phone, "password": phone.Password(t, bank.LoginPassword), "otp": w.codes[0],
	}).Want(t, "SERVICE_UNAVAILABLE")
}

func newTold(t *testing.T) *told {
	t.Helper()
	w := &told{fixture: newFixture(t), replies: map[string]string{}}
	w.live(t)
	w.fail(t)
	return w
}

// shows names the secrets that a text shows: those of the customers, and codes, CVN2
// and track data.
func (w *told) shows(text string) []string {
	found := w.Leaks(text)
	for _, secret := range append([]string{cvn2, track2}, w.codes...) {
		if bank.Shows(text, secret) { // in an id or a time, six digits are a chance
			found = append(found, secret)
		}
	}
	for _, password := range []string{bank.LoginPassword, bank.TradePassword, bank.CardPassword} {
		if strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(password))) {
			found = append(found, "password in base64")
		}
	}
	return found
}

// Signing up, in and paying, with secrets where they belong and where they do not,
// with refusals and with failures: no line of the log, span or metric shows one. The
// bank of every other test is held against the same (test/bank).
func TestLogsAndTracesShowNoSecrets(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-005.1")
	collected := spans.Recorder()
	w := newTold(t)
	log := w.Log.String()
	for _, expected := range []string{"LOGIN_FAILED", "REGISTRATION_REFUSED", "INPUT_INVALID", "PROOF_REJECTED", "event refused"} {
		if !strings.Contains(log, expected) {
			t.Errorf("the log does not tell of %s", expected)
		}
	}
	if lines := strings.Count(log, "\n"); lines < 15 {
		t.Errorf("only %d lines were logged", lines)
	}
	traces, err := json.Marshal(collected.GetSpans())
	if err != nil || strings.Count(string(traces), "identity-login") < 3 {
		t.Errorf("the spans do not tell of the logins: %v", err)
	}
	families, err := w.Host.Metrics.Registry.Gather()
	if err != nil || len(families) == 0 {
		t.Fatalf("no metrics: %v", err)
	}
	for place, text := range map[string]string{"log": log, "trace": string(traces), "metrics": fmt.Sprint(families)} {
		for _, secret := range w.shows(text) {
			t.Errorf("the %s shows the %s", place, secret)
		}
	}
	if got := w.shows(w.Payer.Name + " " + w.codes[0]); len(got) != 2 {
		t.Errorf("the search finds %v, and not both secrets", got)
	}
}

// Nor does any reply, message, text or statement show a password, CVN2 or track.
func TestNothingThatIsShownHoldsASecret(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-010.2")
	w := newTold(t)
	shown := maps.Clone(w.replies)
	for n, text := range w.sms.Inbox("") {
		for _, code := range w.codes { // a code is sent to its owner, and only so
			text.Text = strings.ReplaceAll(text.Text, code, "")
		}
		shown[fmt.Sprint("text ", n)] = text.Text
	}
	if len(shown) < 18 {
		t.Errorf("only %d replies and texts were looked at", len(shown))
	}
	for place, text := range shown {
		for _, secret := range w.shows(text) {
			t.Errorf("%s shows the %s: %s", place, secret, text)
		}
	}
	if !strings.Contains(fmt.Sprint(shown), "posting_id") || !strings.Contains(fmt.Sprint(shown), "转账支出提醒") {
		t.Error("neither a statement nor a message was looked at")
	}
}
