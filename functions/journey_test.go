package functions_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/otptest"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/smstest"
)

// journey is one customer's calls of every function of the bank, with real stores. It
// keeps all bytes of the wire, each answer, each event and each SMS.
type journey struct {
	bank.Pair // the payer signs up on the way
	sms       *smssim.Gateway
	faces     facetest.Engine
	wire      strings.Builder         // frames and replies, as an eavesdropper sees them
	queries   *tap                    // bytes between the bank and its database
	good      map[string][]bank.Reply // by function
	sent      map[string]json.RawMessage
	told      []string // events, as they travel
	delivered map[string]bool
}

// ownNote is a memo in which the customer wrote a phone and a card number.
const ownNote = "房租，电话13907770007，卡6228480000000000999"

func newJourney(t *testing.T) *journey {
	t.Helper()
	db, kept := tapped(t)
	j := journeyOn(t, bank.On(t, db))
	j.queries = kept
	return j
}

func journeyOn(t *testing.T, b *bank.Bank) *journey {
	t.Helper()
	j := &journey{
		good: map[string][]bank.Reply{}, sent: map[string]json.RawMessage{}, delivered: map[string]bool{},
		sms: smstest.Start(t, b, functest.Notifiers(t)...), faces: facetest.Start(t, b),
		Pair: bank.Pair{
			Bank: b, Phone: b.Device(t, "phone-of-wang"),
			Payer: b.Customer(t, "欧阳小明", 1_000_00, 50_00), Payee: b.Customer(t, "司马小丰", 0),
		},
	}
	j.Phone.Wire = &j.wire
	return j
}

// call calls a function, over the channel if it needs one, and reads the good answer into reply.
func (j *journey) call(t *testing.T, name string, request, reply any) {
	t.Helper()
	f := functest.Named(t, name)
	sent := check.JSON(t, request)
	body := sent
	if !f.Spec.NoChannel {
		body = j.Phone.Frame(t, f, uuid.NewString(), request)
	}
	answer := j.Phone.Send(t, f, body)
	answer.Into(t, reply)
	j.good[name], j.sent[name] = append(j.good[name], answer), sent
}

// travel goes through every function once or more.
func (j *journey) travel(t *testing.T) {
	t.Helper()
	var none struct{}
	j.call(t, "channel-captcha", none, &map[string]any{})
	j.call(t, "app-version", map[string]any{"platform": "ios", "nonce": make([]byte, 32)}, &map[string]any{})
	j.openChannel(t)
	j.call(t, "channel-certificates", none, &map[string]any{})
	j.call(t, "captcha-issue", none, &map[string]any{})
	j.signUp(t)
	j.logIn(t)
	j.call(t, "identity-me", none, &map[string]any{})
	var overview struct {
		Accounts []struct {
			ID uuid.UUID `json:"account_id"`
		} `json:"accounts"`
	}
	j.call(t, "account-overview", none, &overview)
	account := map[string]any{"account_id": overview.Accounts[0].ID}
	j.call(t, "account-detail", account, &map[string]any{})
	name := map[string]any{"account_id": overview.Accounts[0].ID, "alias": "工资卡"}
	j.call(t, "account-alias-set", name, &map[string]any{})
	transfer := j.transfer(t, overview.Accounts[0].ID)
	choice := map[string]any{"combination": "sms_otp+device_key", "amount_fen": 1}
	j.call(t, "identity-preference-set", choice, &map[string]any{})
	j.call(t, "identity-option-list", none, &map[string]any{})
	j.call(t, "identity-option-set", map[string]any{"option": "large_transfer", "on": false}, &map[string]any{})
	j.call(t, "account-statement", account, &map[string]any{})
	j.call(t, "transfer-get", map[string]any{"transfer_id": transfer}, &map[string]any{})
	j.call(t, "transfer-list", none, &map[string]any{})
	j.deliver(t)
	j.call(t, "message-list", none, &map[string]any{})
	j.call(t, "message-read", map[string]any{"all": true}, &map[string]any{})
	j.call(t, "identity-session-background", none, &map[string]any{})
	j.call(t, "identity-session-resume", none, &map[string]any{})
	j.setAlias(t)
	j.useToken(t)
	j.applyForCertificate(t)
	j.changePasswords(t)
	j.logInQuickly(t)
	j.call(t, "device-list", none, &map[string]any{})
	j.call(t, "device-report", map[string]any{"report": j.Phone.Report(t)}, &map[string]any{})
	j.Exec(t, "INSERT INTO device SELECT customer_id, 'tablet-of-wang', public_key, bound_at FROM device WHERE customer_id = $1",
		j.Payer.ID)
	j.lockDevice(t)
	j.call(t, "device-unbind", map[string]any{"device_id": "tablet-of-wang"}, &map[string]any{})
	j.changePhone(t)
	j.call(t, "identity-logout", none, &map[string]any{})
	j.deliver(t)
	for _, f := range functions.All() {
		if !isEvent(f) && len(j.good[f.Spec.Name]) == 0 {
			t.Fatalf("the journey leaves out %s", f.Spec.Name)
		}
	}
	if len(j.good) < 15 || len(j.told) < 8 || len(j.sms.Inbox("")) < 5 {
		t.Fatalf("%d functions, %d events and %d texts were seen", len(j.good), len(j.told), len(j.sms.Inbox("")))
	}
}

func (j *journey) openChannel(t *testing.T) {
	t.Helper()
	client, err := channel.NewClient(j.Phone.ID)
	check.Must(t, err)
	hello := check.JSON(t, client.Hello())
	answer := j.Phone.Send(t, channelopen.Function, hello)
	var welcome channel.Welcome
	answer.Into(t, &welcome)
	j.Phone.Channel, j.Phone.Keys, err = client.Finish(welcome, j.Host.Keys.Public(keys.Channel))
	check.Must(t, err)
	j.Phone.Sequence.Store(0)
	j.good["channel-open"], j.sent["channel-open"] = append(j.good["channel-open"], answer), hello
}

// openSession opens a channel and starts a session on it, whose app reports a clean environment.
func (j *journey) openSession(t *testing.T) {
	t.Helper()
	j.openChannel(t)
	check.Must(t, j.Host.Sessions.Start(t.Context(), j.Phone.Channel, j.Payer.ID))
	j.Phone.ReportClean(t, j.Payer.ID)
}

// code asks for a one-time code and reads it on the phone.
func (j *journey) code(t *testing.T, request map[string]any) string {
	t.Helper()
	j.Advance(time.Minute + time.Second)
	j.call(t, "otp-send", request, &map[string]any{})
	j.deliver(t)
	form := regexp.MustCompile(`验证码(\d{6})`)
	for _, text := range j.sms.Inbox(j.Payer.Phone) { // the newest first; notices may have come after the code
		if code := form.FindStringSubmatch(text.Text); code != nil {
			return code[1]
		}
	}
	t.Fatal("no code came")
	return ""
}

func (j *journey) signUp(t *testing.T) {
	t.Helper()
	code := j.code(t, otptest.Request(t, j.Bank, j.Phone, "register", j.Payer.Phone))
	j.call(t, "identity-register", j.Phone.SignUp(t, j.Payer, code), &map[string]any{})
}

func (j *journey) logIn(t *testing.T) {
	t.Helper()
	code := j.code(t, otptest.Request(t, j.Bank, j.Phone, "login", j.Payer.Phone))
	request := j.Phone.LogInBinding(t, j.Payer, code)
	j.call(t, "identity-login", request, &map[string]any{})
}

// setAlias gives the payer an alias for log-ins, with the face as a further proof.
func (j *journey) setAlias(t *testing.T) {
	t.Helper()
	var intent struct {
		ID uuid.UUID `json:"intent_id"`
	}
	j.call(t, "identity-change-prepare", map[string]any{"change": "alias"}, &intent)
	code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})
	j.call(t, "identity-alias-set", map[string]any{"intent_id": intent.ID, "alias": "tide.fan", "proofs": []any{
		map[string]any{"factor": "sms_otp", "code": code},
		map[string]any{"factor": "login_password", "password": j.Phone.Password(t, bank.LoginPassword)},
		j.faceProof(t, intent.ID),
	}}, &map[string]any{})
}

// lockDevice locks the log-in to the phone, and releases the lock.
func (j *journey) lockDevice(t *testing.T) {
	t.Helper()
	j.call(t, "device-lock", struct{}{}, &map[string]any{})
	var intent struct {
		ID uuid.UUID `json:"intent_id"`
	}
	j.call(t, "identity-change-prepare", map[string]any{"change": "device_unlock"}, &intent)
	code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})
	j.call(t, "identity-device-unlock", map[string]any{"intent_id": intent.ID, "proofs": []any{
		map[string]any{"factor": "sms_otp", "code": code}, j.Known(t),
	}}, &map[string]any{})
}

// useToken binds a token, sets its clock and reports it lost.
func (j *journey) useToken(t *testing.T) {
	t.Helper()
	held := j.HandOut(t, j.Payer, token.SM3)
	var intent struct {
		ID   uuid.UUID `json:"intent_id"`
		Text string    `json:"text"`
	}
	j.call(t, "identity-change-prepare", map[string]any{"change": "token_bind"}, &intent)
	code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})
	j.call(t, "identity-token-bind", map[string]any{"intent_id": intent.ID, "proofs": []any{
		map[string]any{"factor": "sms_otp", "code": code},
		j.Known(t),
		map[string]any{"factor": "token", "code": held.Response(intent.Text)},
	}}, &map[string]any{})
	codes := map[string]any{"code": bank.Ahead(held, -token.Step).Answer(""), "next_code": held.Answer("")}
	j.call(t, "identity-token-sync", codes, &map[string]any{})
	j.call(t, "identity-token-report-lost", struct{}{}, &map[string]any{})
}

// applyForCertificate gets a certificate.
func (j *journey) applyForCertificate(t *testing.T) {
	t.Helper()
	var intent identitychangeprepare.Response
	j.call(t, "identity-change-prepare", map[string]any{"change": "certificate"}, &intent)
	code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.IntentID})
	j.call(t, "identity-cert-apply", map[string]any{
		"intent_id": intent.IntentID, "csr": bank.CSR(t, intent.Subject), "proofs": []any{
			map[string]any{"factor": "sms_otp", "code": code}, j.Known(t), j.KnownLogin(t, bank.LoginPassword),
		},
	}, &map[string]any{})
	j.call(t, "identity-cert-revoke", struct{}{}, &map[string]any{})
}

// logInQuickly sets a gesture and a key that the face unlocks, and logs in by the gesture.
func (j *journey) logInQuickly(t *testing.T) {
	t.Helper()
	j.Exec(t, "DELETE FROM otp_quota") // the journey asks for more codes than a day has
	key, err := sm.GenerateKey()
	check.Must(t, err)
	public, signature := j.Phone.Unlock(t, key, device.ByFace)
	for _, set := range []struct {
		what, function string
		fields         map[string]any
	}{
		{"gesture", "identity-gesture-set", map[string]any{"gesture": j.Phone.Password(t, bank.Gesture)}},
		{"face", "identity-unlock-key-set", map[string]any{"public_key": public, "signature": signature}},
	} {
		var intent struct {
			ID   uuid.UUID `json:"intent_id"`
			Text string    `json:"text"`
		}
		j.call(t, "identity-change-prepare", map[string]any{"change": set.what}, &intent)
		code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})
		set.fields["intent_id"] = intent.ID
		known := j.KnownLogin(t, bank.LoginPassword)
		if set.what == "face" {
			known = j.Known(t)
		}
		set.fields["proofs"] = []any{
			map[string]any{"factor": "sms_otp", "code": code},
			known,
			stepup.Proof{Factor: stepup.DeviceKey, Signature: j.Phone.Sign(t, intent.Text)},
		}
		j.call(t, set.function, set.fields, &map[string]any{})
	}
	var told struct{ Challenge []byte }
	j.call(t, "identity-quick-challenge", struct{}{}, &told)
	request := j.Phone.QuickLogin(t, j.Payer, told.Challenge, device.ByGesture, nil)
	j.call(t, "identity-quick-login", request, &map[string]any{})
}

// faceProof lets the customer's face pass for the intent, and is the proof of it.
func (j *journey) faceProof(t *testing.T, intent uuid.UUID) stepup.Proof {
	t.Helper()
	photo := j.faces.Photo(t, j.Payer)
	var begun struct {
		ID      uuid.UUID     `json:"check_id"`
		Nonce   []byte        `json:"nonce"`
		Actions []face.Action `json:"actions"`
	}
	j.call(t, "identity-face-begin", map[string]any{"intent_id": intent}, &begun)
	asked := face.Challenge{ID: begun.ID, Nonce: begun.Nonce, Actions: begun.Actions}
	j.call(t, "identity-face-finish", j.faces.Captured(t, asked, facetest.Good(asked, photo)), &map[string]any{})
	return stepup.Proof{Factor: stepup.Face, CheckID: &begun.ID}
}

// changePasswords changes both passwords, and resets the login password before a new login. In
// the end they are as they were.
func (j *journey) changePasswords(t *testing.T) {
	t.Helper()
	const login, trade = "moon-2027y", "840275"
	for _, change := range []struct{ what, function, factor, field, present, fresh string }{
		{"trade_password", "identity-trade-password-set", "trade_password", "trade_password", bank.TradePassword, trade},
		{"trade_password", "identity-trade-password-set", "trade_password", "trade_password", trade, bank.TradePassword},
		{"login_password", "identity-password-change", "login_password", "login_password", bank.LoginPassword, login},
	} {
		var intent struct {
			ID uuid.UUID `json:"intent_id"`
		}
		j.call(t, "identity-change-prepare", map[string]any{"change": change.what}, &intent)
		code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})
		j.call(t, change.function, map[string]any{
			"intent_id": intent.ID, change.field: j.Phone.Password(t, change.fresh), "proofs": []any{
				map[string]any{"factor": "sms_otp", "code": code},
				map[string]any{"factor": change.factor, "password": j.Phone.Password(t, change.present)},
			},
		}, &map[string]any{})
	}
	code := j.code(t, otptest.Request(t, j.Bank, j.Phone, "reset", j.Payer.Phone))
	j.call(t, "identity-password-reset", j.Phone.ResetPassword(t, j.Payer, code, bank.LoginPassword), &map[string]any{})
	j.logIn(t)
}

// changePhone gives the payer a new number. One code comes to the present and one to the new one.
func (j *journey) changePhone(t *testing.T) {
	t.Helper()
	const fresh = "13900002222"
	var intent struct {
		ID uuid.UUID `json:"intent_id"`
	}
	j.call(t, "identity-change-prepare", map[string]any{"change": "phone", "phone": fresh}, &intent)
	code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})
	j.call(t, "otp-send", map[string]any{"purpose": "phone", "intent_id": intent.ID}, &map[string]any{})
	j.deliver(t)
	texts := j.sms.Inbox(fresh)
	if len(texts) != 1 {
		t.Fatalf("the new number got %v", texts)
	}
	j.call(t, "identity-phone-change", map[string]any{
		"intent_id": intent.ID, "otp": regexp.MustCompile(`\d{6}`).FindString(texts[0].Text), "proofs": []any{
			map[string]any{"factor": "sms_otp", "code": code},
			map[string]any{"factor": "login_password", "password": j.Phone.Password(t, bank.LoginPassword)},
		},
	}, &map[string]any{})
}

// transfer pays Li, proved by a code, the device's key and the trade password.
func (j *journey) transfer(t *testing.T, from uuid.UUID) (id string) {
	t.Helper()
	var intent transferprepare.Response
	request := j.ToPayee(123_45)
	request["debit_account_id"], request["memo"] = from, ownNote
	j.call(t, "transfer-prepare", request, &intent)
	code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.IntentID})
	proved := j.Proved(t, intent)
	proved.Proofs = append([]stepup.Proof{{Factor: stepup.SMSOTP, Code: code}}, proved.Proofs...)
	var done struct {
		ID string `json:"transfer_id"`
	}
	j.call(t, "transfer-confirm", proved, &done)
	return done.ID
}

// deliver brings every new event to each of its consumers, and keeps its text.
func (j *journey) deliver(t *testing.T) {
	t.Helper()
	table := functions.Subscriptions()
	for more := true; more; {
		more = false
		for _, kind := range events.Catalogue() {
			for _, stored := range j.Outbox(t, kind.Type) {
				if j.delivered[stored.ID] {
					continue
				}
				j.delivered[stored.ID], more = true, true
				e, err := stored.CloudEvent(j.Host.Keys)
				check.Must(t, err)
				text := check.JSON(t, e)
				j.told = append(j.told, string(text))
				for _, consumer := range table.Consumers(kind.Type) {
					if got := j.Deliver(t, functest.Named(t, consumer), e); got != http.StatusAccepted {
						t.Fatalf("%s answered %d to %s\n%s", consumer, got, text, j.Log)
					}
				}
			}
		}
	}
}
