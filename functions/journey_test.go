package functions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/smstest"
)

// journey is one customer's way through every function of the bank, with real
// stores, and all that was seen on it: what crossed the wire, each answer, each
// event and each SMS.
type journey struct {
	*bank.Bank
	phone     *bank.Device
	wang, li  seed.Customer
	gateway   *smssim.Gateway
	wire      strings.Builder         // frames and replies, as an eavesdropper sees them
	queries   *tap                    // what crossed the network to the database
	good      map[string][]bank.Reply // by function
	sent      map[string]json.RawMessage
	told      []string // events, as they travel
	delivered map[string]bool
}

// ownNote is a memo in which the customer wrote a phone and a card number.
const ownNote = "房租，电话13977770007，卡6222020000000000999"

func newJourney(t *testing.T) *journey {
	t.Helper()
	db, kept := tapped(t)
	b := bank.On(t, db)
	j := &journey{
		queries: kept,
		Bank:    b, good: map[string][]bank.Reply{}, sent: map[string]json.RawMessage{}, delivered: map[string]bool{},
		gateway: smstest.Start(t, b, byName(t, "notify-on-otp"), byName(t, "notify-on-transfer")),
		wang:    b.Customer(t, "欧阳小明", 1_000_00, 50_00), li: b.Customer(t, "司马小丰", 0),
	}
	j.phone = b.Device(t, "phone-of-wang")
	return j
}

// byName is the function of a name.
func byName(t *testing.T, name string) fn.Function {
	t.Helper()
	for _, f := range functions.All() {
		if f.Spec.Name == name {
			return f
		}
	}
	t.Fatalf("there is no function %s", name)
	return fn.Function{}
}

// call calls a function over the channel, keeps what an eavesdropper sees, and
// returns the good answer into reply.
func (j *journey) call(t *testing.T, name string, request, reply any) {
	t.Helper()
	f := byName(t, name)
	answer := j.try(t, f, j.phone.Frame(t, f, uuid.NewString(), request))
	answer.Into(t, reply)
	sent, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	j.good[name], j.sent[name] = append(j.good[name], answer), sent
}

// try sends a body and opens the answer.
func (j *journey) try(t *testing.T, f fn.Function, body []byte) bank.Reply {
	t.Helper()
	call := handler.Request{Body: body, Method: http.MethodPost, Header: http.Header{"X-Forwarded-For": {j.phone.IP}}}
	call.WithContext(t.Context())
	resp, err := j.Open(t, f).Handle(call)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&j.wire, "%s\n%s\n%v\n", body, resp.Body, resp.Header)
	answer := bank.Reply{Status: resp.StatusCode, Body: resp.Body, Header: resp.Header}
	if resp.Header.Get("Content-Type") == channel.MediaType {
		sent, err := channel.ParseHeader(body)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Body, err = channel.OpenReply(j.phone.Keys, resp.Body, sent, f.Spec.Name, resp.StatusCode); err != nil {
			t.Fatal(err)
		}
	}
	if answer.Status != http.StatusOK {
		if err := json.Unmarshal(answer.Body, &answer.Problem); err != nil {
			t.Fatal(err)
		}
		answer.Code = answer.Problem.Code
	}
	return answer
}

// travel goes through every function once or more.
func (j *journey) travel(t *testing.T) {
	t.Helper()
	var none struct{}
	j.openChannel(t)
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
	j.call(t, "account-statement", account, &map[string]any{})
	j.call(t, "transfer-get", map[string]any{"transfer_id": transfer}, &map[string]any{})
	j.call(t, "transfer-list", none, &map[string]any{})
	j.deliver(t)
	j.call(t, "message-list", none, &map[string]any{})
	j.call(t, "message-read", map[string]any{"all": true}, &map[string]any{})
	j.call(t, "identity-logout", none, &map[string]any{})
	j.deliver(t)
	for _, f := range functions.All() {
		if !isEvent(f) && len(j.good[f.Spec.Name]) == 0 {
			t.Fatalf("the journey leaves out %s", f.Spec.Name)
		}
	}
	if len(j.good) < 15 || len(j.told) < 8 || len(j.gateway.Inbox("")) < 5 {
		t.Fatalf("%d functions, %d events and %d texts were seen", len(j.good), len(j.told), len(j.gateway.Inbox("")))
	}
}

func (j *journey) openChannel(t *testing.T) {
	t.Helper()
	client, err := channel.NewClient(j.phone.ID)
	if err != nil {
		t.Fatal(err)
	}
	hello, err := json.Marshal(client.Hello())
	if err != nil {
		t.Fatal(err)
	}
	answer := j.try(t, channelopen.Function, hello)
	var welcome channel.Welcome
	answer.Into(t, &welcome)
	j.phone.Channel, j.phone.Keys, err = client.Finish(welcome, j.Host.Keys.Public(keys.Channel))
	if err != nil {
		t.Fatal(err)
	}
	j.phone.Sequence.Store(0)
	j.good["channel-open"], j.sent["channel-open"] = append(j.good["channel-open"], answer), hello
}

// code asks for a one-time code and reads it on the phone.
func (j *journey) code(t *testing.T, request map[string]any) string {
	t.Helper()
	j.Advance(time.Minute + time.Second)
	j.call(t, "otp-send", request, &map[string]any{})
	j.deliver(t)
	inbox := j.gateway.Inbox(j.wang.Phone)
	if len(inbox) == 0 {
		t.Fatal("no code came")
	}
	code := regexp.MustCompile(`验证码(\d{6})`).FindStringSubmatch(inbox[0].Text)
	if code == nil {
		t.Fatalf("no code in %q", inbox[0].Text)
	}
	return code[1]
}

func (j *journey) publicKey(t *testing.T) []byte {
	t.Helper()
	public, err := j.phone.Key.Public().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func (j *journey) signUp(t *testing.T) {
	t.Helper()
	code := j.code(t, map[string]any{"purpose": "register", "phone": j.wang.Phone})
	j.call(t, "identity-register", map[string]any{
		"name": j.wang.Name, "id_no": j.wang.IDNo, "card_no": j.wang.Accounts[0].No, "phone": j.wang.Phone, "otp": code,
		"card_password":  j.phone.Password(t, bank.CardPassword),
		"login_password": j.phone.Password(t, bank.LoginPassword),
		"trade_password": j.phone.Password(t, bank.TradePassword), "device_public_key": j.publicKey(t),
	}, &map[string]any{})
}

func (j *journey) logIn(t *testing.T) {
	t.Helper()
	code := j.code(t, map[string]any{"purpose": "login", "phone": j.wang.Phone})
	j.call(t, "identity-login", map[string]any{
		"phone": j.wang.Phone, "password": j.phone.Password(t, bank.LoginPassword), "otp": code,
		"device_public_key": j.publicKey(t),
	}, &map[string]any{})
}

// transfer pays Li, proved by a code, the device's key and the trade password.
func (j *journey) transfer(t *testing.T, from uuid.UUID) (id string) {
	t.Helper()
	var intent transferprepare.Response
	j.call(t, "transfer-prepare", map[string]any{
		"debit_account_id": from, "payee_account_no": j.li.Accounts[0].No, "payee_name": j.li.Name, "amount_fen": 123_45,
		"memo": ownNote,
	}, &intent)
	code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.IntentID})
	signature, err := sm.Sign(j.phone.Key, []byte(intent.Text))
	if err != nil {
		t.Fatal(err)
	}
	var done struct {
		ID string `json:"transfer_id"`
	}
	j.call(t, "transfer-confirm", map[string]any{"intent_id": intent.IntentID, "proofs": []any{
		map[string]any{"factor": "sms_otp", "code": code},
		map[string]any{"factor": "device_key", "signature": signature},
		map[string]any{"factor": "trade_password", "password": j.phone.Password(t, bank.TradePassword)},
	}}, &done)
	return done.ID
}

// deliver brings every new event to all who hear it, and keeps it as it travels.
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
				if err != nil {
					t.Fatal(err)
				}
				text, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				j.told = append(j.told, string(text))
				for _, consumer := range table.Consumers(kind.Type) {
					if got := j.Deliver(t, byName(t, consumer), e); got != http.StatusAccepted {
						t.Fatalf("%s answered %d to %s\n%s", consumer, got, text, j.Log)
					}
				}
			}
		}
	}
}

// database is every row of every table as text.
func (j *journey) database(t *testing.T) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	tables, err := rowsOf(ctx, j, `
SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`)
	if err != nil || len(tables) < 20 {
		t.Fatalf("%d tables were found: %v", len(tables), err)
	}
	var all []string
	for _, table := range tables {
		rows, err := rowsOf(ctx, j, "SELECT '"+table+" ' || t::text FROM "+table+" t")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows...)
	}
	if len(all) < 20 {
		t.Fatalf("only %d rows were found", len(all))
	}
	return strings.Join(all, "\n")
}

func rowsOf(ctx context.Context, j *journey, sql string) ([]string, error) {
	rows, err := j.Host.DB.Pool().Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

// cache is every key and value of Redis.
func (j *journey) cache(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, key := range j.Redis.Keys() {
		fmt.Fprintln(&all, key)
		switch j.Redis.Type(key) {
		case "string":
			value, err := j.Redis.Get(key)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&all, value)
		case "hash":
			fields, err := j.Redis.HKeys(key)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(fields)
			for _, field := range fields {
				fmt.Fprintln(&all, field, j.Redis.HGet(key, field))
			}
		default:
			t.Fatalf("%s is a %s, which this test does not read", key, j.Redis.Type(key))
		}
	}
	return all.String()
}
