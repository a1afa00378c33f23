package sm_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/otptest"

	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/keys/shamir"
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
	req.Covers(t, "CRYPTO-006.3", "CRYPTO-021.1")
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
	uses := keyUses(t)
	for name, use := range uses {
		if err := errorOf(use); err != nil {
			t.Fatalf("before the fault, %s: %v", name, err)
		}
	}
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
	if len(uses) < 60 {
		t.Fatalf("only %d uses of keys", len(uses))
	}
	for name, use := range uses {
		if err := errorOf(use); !errors.Is(err, sm.ErrModule) {
			t.Errorf("%s without the module: %v, want ErrModule", name, err)
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

// errorOf returns the error of a use, or its panic.
func errorOf(use func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err, _ = r.(error)
		}
	}()
	return use()
}

// keyUses are all operations of the bank's keys, for each purpose, and all commands that make
// or change keys. Each may be called several times.
func keyUses(t *testing.T) map[string]func() error {
	t.Helper()
	file, place, text := filepath.Join(t.TempDir(), "keys.json"), []byte("table.column.row"), []byte("text")
	check.Must(t, keys.Create(file))
	ring, err := keys.Open(t.Context(), keys.Config{File: file}, keys.All()...)
	check.Must(t, err)
	uses := map[string]func() error{}
	for _, p := range keys.All() {
		add := func(name string, use func() error) { uses[name+" "+string(p)] = use }
		add("open", func() error {
			_, err := keys.Open(t.Context(), keys.Config{File: file}, p)
			return err
		})
		switch p {
		case keys.Channel:
			add("sign", func() error { return errOf(ring.Sign(p, text)) })
			add("sign of the channel key", func() error { return errOf(ring.ChannelKeys()[0].Sign(text)) })
		case keys.Password:
			sealed, err := sm.Encrypt(ring.Public(p), text)
			check.Must(t, err)
			add("decrypt", func() error { return errOf(ring.Decrypt(p, sealed)) })
		case keys.Pepper:
			id, err := ring.SumKey(p)
			check.Must(t, err)
			add("sum", func() error { return errOf(ring.Sum(p, id, text)) })
		default:
			sealed, err := ring.Seal(p, place, text)
			check.Must(t, err)
			sum, id := ring.MAC(p, text)
			add("seal", func() error { return errOf(ring.Seal(p, place, text)) })
			add("unseal", func() error { return errOf(ring.Open(p, place, sealed)) })
			add("MAC", func() error { ring.MAC(p, text); return nil })
			add("verify", func() error { return ring.VerifyMAC(p, id, sum, text) })
			add("verify any", func() error { return ring.VerifyAnyMAC(p, sum, text) })
			add("derive", func() error { ring.Derive(p, time.Time{}, text); return nil })
		}
	}
	uses["blind index"] = func() error { ring.BlindIndex("phone", "x"); return nil }
	own, wrapped, err := ring.NewDataKey()
	check.Must(t, err)
	name, err := own.Seal(place, text)
	check.Must(t, err)
	uses["new data key"] = func() error { _, _, err := ring.NewDataKey(); return err }
	uses["data key"] = func() error { _, err := ring.OpenDataKey(wrapped); return err }
	uses["seal with a data key"] = func() error { return errOf(own.Seal(place, text)) }
	uses["unseal with a data key"] = func() error { return errOf(own.Open(place, name)) }
	changes(t, file, uses)
	return uses
}

// changes adds the commands that make, change, wrap and hand out keys.
func changes(t *testing.T, file string, uses map[string]func() error) {
	t.Helper()
	receiver := filepath.Join(t.TempDir(), "receiver")
	pin, err := keys.NewReceiver(receiver)
	check.Must(t, err)
	count := 0
	fresh := func() string {
		count++
		return filepath.Join(t.TempDir(), strconv.Itoa(count))
	}
	uses["create"] = func() error { return keys.Create(fresh()) }
	uses["new root"] = func() error { return keys.RotateRoot(file) }
	uses["new channel key"] = func() error {
		other := fresh()
		raw, err := os.ReadFile(file)
		return errors.Join(err, os.WriteFile(other, raw, 0o600), keys.AddChannelKey(other))
	}
	uses["split"] = func() error {
		_, err := keys.Split(shamir.Scheme{}, file, fresh(), 3, 2)
		return err
	}
	uses["new receiver"] = func() error { return errOf(keys.NewReceiver(fresh())) }
	uses["seal credential"] = func() error {
		_, err := keys.SealCredential(receiver+".pub", pin, keys.ProcessCredential{})
		return err
	}
	uses["export"] = func() error {
		return keys.Export(t.Context(), keys.Exporting{
			From: file, To: fresh(), Receiver: receiver + ".pub", Digest: pin,
			Process: "audit-on-event", Purposes: []keys.Purpose{keys.Audit},
		})
	}
}

// errOf is the error of a call with a result.
func errOf(_ []byte, err error) error { return err }

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
		"device-report":            map[string]any{"report": phone.Report(t)},
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
		"identity-gesture-set":        map[string]any{"intent_id": uuid.New(), "proofs": []any{}, "gesture": password},
		"identity-unlock-key-set": map[string]any{
			"intent_id": uuid.New(), "proofs": []any{}, "public_key": public, "signature": "AAAA",
		},
		"identity-quick-login": bank.With(t,
			phone.QuickLogin(t, seed.Customer{}, make([]byte, device.ChallengeBytes), device.ByGesture, nil), "phone", number),
		"identity-cert-apply":  map[string]any{"intent_id": uuid.New(), "proofs": []any{}, "csr": "AAAA"},
		"identity-token-bind":  map[string]any{"intent_id": uuid.New(), "proofs": []any{}},
		"identity-face-begin":  map[string]any{"intent_id": uuid.New()},
		"identity-face-finish": map[string]any{"check_id": uuid.New(), "capture": []byte{0x30}},
		"identity-token-sync":  map[string]any{"code": "123456", "next_code": "654321"},
		"message-read":         map[string]any{"all": true}, "otp-send": map[string]any{"purpose": "login", "phone": number},
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
