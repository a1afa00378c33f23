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
	accountchangeprepare "github.com/tidebank/tidebank/functions/account/changeprepare"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	identitycontractprepare "github.com/tidebank/tidebank/functions/identity/contractprepare"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/staff"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/uplink"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/smstest"
)

// journey is one customer's calls of every function of the bank, with real stores. It
// keeps all bytes of the wire, each answer, each event and each SMS.
type journey struct {
	bank.Pair // the payer signs up on the way
	console   *bank.Device
	member    staff.Member // who works at the console
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
	b.Open(t, functest.Named(t, "otp-send"), uplink.Config{Number: "10690000"})
	j := &journey{
		good: map[string][]bank.Reply{}, sent: map[string]json.RawMessage{}, delivered: map[string]bool{},
		sms: smstest.Start(t, b, functest.Notifiers(t)...), faces: facetest.Start(t, b),
		Pair: bank.Pair{
			Bank: b, Phone: b.Device(t, "phone-of-wang"),
			Payer: b.Unsigned(t, "欧阳小明", 1_000_00, 50_00), Payee: b.Customer(t, "司马小丰", 0),
		},
	}
	j.Phone.Wire = &j.wire
	j.console, j.member = b.Device(t, "console-of-qian"), b.Member(t, "qian.er", staff.Parameters)
	j.console.Wire = &j.wire
	return j
}

// by is the device that calls the function.
func (j *journey) by(f fn.Function) *bank.Device {
	if f.Spec.Audience.InHouse() {
		return j.console
	}
	return j.Phone
}

// call calls a function, over the channel if it needs one, and reads the good answer into reply.
func (j *journey) call(t *testing.T, name string, request, reply any) {
	t.Helper()
	f := functest.Named(t, name)
	sent := check.JSON(t, request)
	body := sent
	if !f.Spec.NoChannel {
		body = j.by(f).Frame(t, f, uuid.NewString(), request)
	}
	answer := j.by(f).Send(t, f, body)
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
	j.openContract(t)
	transfer := j.transfer(t, overview.Accounts[0].ID)
	j.sendText(t, overview.Accounts[0].ID)
	j.manageAccounts(t)
	choice := map[string]any{"combination": "sms_otp+device_key", "amount_fen": 1}
	j.call(t, "identity-preference-set", choice, &map[string]any{})
	j.call(t, "identity-option-list", none, &map[string]any{})
	j.call(t, "identity-option-set", map[string]any{"option": "large_transfer", "on": false}, &map[string]any{})
	j.call(t, "identity-consent-list", none, &map[string]any{})
	j.call(t, "identity-consent-set", map[string]any{"purpose": "transfer", "given": false}, &map[string]any{})
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
	j.workAtConsole(t)
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

// workAtConsole lets members of the staff use the functions of the console.
func (j *journey) workAtConsole(t *testing.T) {
	t.Helper()
	j.call(t, "staff-login", j.console.StaffLogIn(t, j.member, bank.StaffPassword), &map[string]any{})
	var proposed struct {
		ID uuid.UUID `json:"change_id"`
	}
	j.call(t, "staff-parameter-propose", map[string]any{"figure": "staff.password.min_length", "value": 8}, &proposed)
	j.call(t, "staff-parameter-list", struct{}{}, &map[string]any{})
	j.call(t, "staff-password-change", j.console.StaffChange(t, bank.StaffPassword, "moon-staff-27"), &map[string]any{})
	j.console.LoginAsStaff(t, j.Member(t, "zhao.da", staff.Parameters))
	j.call(t, "staff-parameter-approve", map[string]any{"change_id": proposed.ID, "old": 7}, &map[string]any{})
	j.console.LoginAsStaff(t, j.Member(t, "admin", staff.Administrator))
	roles := map[string]any{"login_name": "zhao.da", "roles": []staff.Role{staff.Risk}}
	j.call(t, "staff-role-set", roles, &map[string]any{})
	j.call(t, "staff-logout", struct{}{}, &map[string]any{})
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
	j.console.LoginAsStaff(t, j.member)
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

// sendText proves the reserved number by a text of the payer's, which the gateway posts.
func (j *journey) sendText(t *testing.T, account uuid.UUID) {
	t.Helper()
	var in struct {
		ID uuid.UUID `json:"intent_id"`
	}
	j.call(t, "transfer-prepare", map[string]any{
		"debit_account_id": account, "payee_account_no": j.Payee.Accounts[0].No, "payee_name": j.Payee.Name, "amount_fen": 1,
	}, &in)
	about := map[string]any{"purpose": "intent", "way": "uplink", "intent_id": in.ID}
	var shown struct {
		Text string `json:"uplink_text"`
	}
	j.call(t, "otp-send", about, &shown)
	var state, taken map[string]any
	app := j.Phone.Wire
	j.Phone.Wire = nil // the gateway posts it inside TLS, and no app
	text := uplink.Message{ID: "in-1", Phone: j.Payer.Phone, Text: shown.Text}
	j.call(t, "otp-uplink", text.Sign("only-for-this-test", j.Clock.Now()), &taken)
	j.Phone.Wire = app
	j.call(t, "otp-status", about, &state)
	if taken["accepted"] != true || state["state"] != "arrived" {
		t.Fatalf("the text is taken %v, and its state %v", taken, state)
	}
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

// openContract opens fund transactions by a certificate.
func (j *journey) openContract(t *testing.T) {
	t.Helper()
	key := j.SoftUKey(t, j.Payer, cert.InApp)
	var in identitycontractprepare.Response
	j.call(t, "identity-contract-prepare", struct{}{}, &in)
	j.call(t, "identity-contract-open", map[string]any{
		"intent_id": in.IntentID, "notice_digest": in.NoticeDigest,
		"proofs": []any{j.Known(t), key.Signed(t, stepup.SoftUKey, in.Text)},
	}, &map[string]any{})
}

// manageAccounts reports the second account as lost, removes and adds it, and sets a limit.
func (j *journey) manageAccounts(t *testing.T) {
	t.Helper()
	account := map[string]any{"account_id": j.Payer.AccountIDs[1]}
	j.call(t, "account-loss-report", account, &map[string]any{})
	for _, change := range []map[string]any{
		{"change": "loss_lift", "account_id": j.Payer.AccountIDs[1]},
		{"change": "account_remove", "account_id": j.Payer.AccountIDs[1]},
		{"change": "account_add", "account_no": j.Payer.Accounts[1].No},
		bank.Limits("sms", 40_000_00, 50_000_00),
	} {
		var in accountchangeprepare.Response
		j.call(t, "account-change-prepare", change, &in)
		code := j.code(t, map[string]any{"purpose": "intent", "intent_id": in.IntentID})
		j.call(t, in.Function, map[string]any{
			"intent_id": in.IntentID, "proofs": []any{map[string]any{"factor": "sms_otp", "code": code}, j.Known(t)},
		}, &map[string]any{})
	}
	j.call(t, "account-limit-get", struct{}{}, &map[string]any{})
	j.Exec(t, "DELETE FROM otp_quota") // the journey asks for more codes than a day has
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
