package sm_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/otptest"

	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/test/smstest"
)

const bankProcess = "SM_TEST_BANK_PROCESS"

// With the module shut, a bank answers nothing but refusals, keeps nothing and
// sends nothing. A process of its own is spent on it.
func TestAShutModuleStopsTheBank(t *testing.T) {
	t.Parallel()
	if os.Getenv(bankProcess) != "" {
		shutTheBank(t)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	self, err := os.Executable()
	check.Must(t, err)
	child := exec.CommandContext(ctx, self, "-test.run=^TestAShutModuleStopsTheBank$", "-test.v")
	child.Env = append(os.Environ(), bankProcess+"=1")
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "tried all") {
		t.Fatalf("%v\n%s", err, out)
	}
	req.Covers(t, "CRYPTO-006.3")
}

// prepared is a call, sealed before the fault.
type prepared struct {
	f      fn.Function
	body   []byte
	header http.Header
}

func shutTheBank(t *testing.T) {
	b := bank.New(t)
	gateway := smstest.Start(t, b, functest.Notifiers(t)...)
	wang := b.Customer(t, "王小明", 1_000_00, 0)
	phone := b.Device(t, "phone-of-wang")
	phone.LoginAs(t, wang)
	otptest.Ask(t, b, phone, "login", wang.Phone)
	calls := callsOf(t, b, phone, wang.Phone, wang.AccountIDs)
	if len(calls) < 17 {
		t.Fatalf("only %d calls were prepared", len(calls))
	}
	for _, c := range calls {
		b.Open(t, c.f)
	}
	before := stored(t, b)
	if err := sm.Faults()["plaintext passes"].Shut(); err == nil {
		t.Fatal("the fault was not found")
	}
	for _, c := range calls {
		call := handler.Request{Body: c.body, Method: http.MethodPost, Header: c.header}
		call.WithContext(t.Context())
		reply, err := b.Open(t, c.f).Handle(call)
		if err != nil || reply.StatusCode < 400 {
			t.Errorf("%s answered %d, %v: %s", c.f.Spec.Name, reply.StatusCode, err, reply.Body)
		}
		for _, clear := range []string{wang.Phone, "**明", "622848", "balance", "text", "captcha_id"} {
			if strings.Contains(string(reply.Body), clear) {
				t.Errorf("%s answered in clear: %s", c.f.Spec.Name, reply.Body)
			}
		}
	}
	outbox := b.Outbox(t, events.TypeOTPIssued)
	if len(outbox) != 1 {
		t.Fatalf("%d events wait", len(outbox))
	}
	if err := panicOf(func() any { e, _ := outbox[0].CloudEvent(b.Host.Keys); return e }); !errors.Is(err, sm.ErrModule) {
		t.Errorf("an event is sent: %v", err)
	}
	if after := stored(t, b); after != before {
		t.Errorf("the stores changed:\n%s\n\n%s", before, after)
	}
	if texts := gateway.Inbox(""); len(texts) != 0 {
		t.Errorf("texts were sent: %v", texts)
	}
	t.Log("tried all")
}

// callsOf prepares a call of each function that needs cryptography: of those with a
// channel a sealed frame, of event functions a sealed event.
func callsOf(t *testing.T, b *bank.Bank, phone *bank.Device, number string, accounts []uuid.UUID) []prepared {
	t.Helper()
	password := phone.Password(t, bank.LoginPassword)
	public, err := phone.Key.Public().Marshal()
	check.Must(t, err)
	requests := map[string]any{
		"account-alias-set": map[string]any{"account_id": accounts[0], "alias": "工资卡"},
		"account-detail":    map[string]any{"account_id": accounts[0]}, "account-statement": map[string]any{"account_id": accounts[0]},
		"identity-login": map[string]any{"phone": number, "password": password, "otp": "123456"},
		"identity-register": map[string]any{
			"name": "王小明", "id_no": "110101199003070011", "card_no": "6228480000000010001", "phone": number, "otp": "123456",
			"card_password": password, "login_password": password, "trade_password": password, "device_public_key": public,
			"device_signature": phone.Possession(t),
		},
		"device-unbind":            map[string]any{"device_id": "tablet-of-wang"},
		"identity-preference-set":  map[string]any{"combination": "sms_otp+trade_password", "amount_fen": 1_00},
		"identity-alias-set":       map[string]any{"intent_id": uuid.New(), "proofs": []any{}, "alias": "tide.fan"},
		"identity-change-prepare":  map[string]any{"change": "login_password"},
		"identity-password-change": map[string]any{"intent_id": uuid.New(), "proofs": []any{}, "login_password": password},
		"identity-password-reset": map[string]any{
			"name": "王小明", "id_no": "110101199003070011", "card_no": "6228480000000010001", "phone": number, "otp": "123456",
			"login_password": password,
		},
		"identity-phone-change":       map[string]any{"intent_id": uuid.New(), "proofs": []any{}, "otp": "123456"},
		"identity-trade-password-set": map[string]any{"intent_id": uuid.New(), "proofs": []any{}, "trade_password": password},
		"identity-device-unlock":      map[string]any{"intent_id": uuid.New(), "proofs": []any{}},
		"identity-token-bind":         map[string]any{"intent_id": uuid.New(), "proofs": []any{}},
		"identity-token-sync":         map[string]any{"code": "123456", "next_code": "654321"},
		"message-read":                map[string]any{"all": true}, "otp-send": map[string]any{"purpose": "login", "phone": number},
		"transfer-confirm": map[string]any{"intent_id": uuid.New(), "proofs": []any{}},
		"transfer-get":     map[string]any{"transfer_id": uuid.New()},
		"transfer-prepare": map[string]any{"debit_account_id": accounts[0], "payee_account_id": accounts[1], "amount_fen": 1},
	}
	var list []prepared
	for _, f := range functions.All() {
		switch {
		case len(f.Spec.Consumes) > 0:
			e := b.Event(t, uuid.NewString(), f.Spec.Consumes[0], "x", map[string]any{"customer_id": uuid.NewString()})
			body := check.JSON(t, e)
			list = append(list, prepared{f, body, http.Header{"Content-Type": {cloudevent.JSON}}})
		case f.Spec.NoChannel:
			hello := check.JSON(t, map[string]any{
				"version": 1, "client_key": public, "client_random": make([]byte, 32), "device_id": "phone-of-wang",
			})
			body := map[string][]byte{
				"channel-open": hello, "channel-captcha": []byte("{}"),
				"app-version": check.JSON(t, map[string]any{"platform": "ios", "nonce": make([]byte, 32)}),
			}[f.Spec.Name]
			list = append(list, prepared{f, body, http.Header{}})
		default:
			request := requests[f.Spec.Name]
			if request == nil {
				request = struct{}{}
			}
			list = append(list, prepared{f, phone.Frame(t, f, uuid.NewString(), request), http.Header{}})
		}
	}
	return list
}

// stored is all that the database and Redis keep, but for the counters of rate.
func stored(t *testing.T, b *bank.Bank) string {
	t.Helper()
	var all strings.Builder
	rows, err := b.Host.DB.Pool().Query(context.WithoutCancel(t.Context()), `
SELECT table_name::text, query_to_xml('SELECT * FROM ' || quote_ident(table_name) || ' ORDER BY 1', true, true, '')::text
  FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`)
	check.Must(t, err)
	defer rows.Close()
	tables := 0
	for rows.Next() {
		var name, text string
		check.Must(t, rows.Scan(&name, &text))
		all.WriteString(name + text)
		tables++
	}
	check.Must(t, rows.Err())
	if tables < 20 {
		t.Fatalf("%d tables were read", tables)
	}
	for _, key := range b.Redis.Keys() {
		if !strings.Contains(key, "rate:") {
			all.WriteString(key + "\n")
		}
	}
	return all.String()
}
