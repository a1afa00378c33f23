package dev_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/docs"
	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/functions"
	identityregister "github.com/tidebank/tidebank/functions/identity/register"
	"github.com/tidebank/tidebank/localstack/dev"
	"github.com/tidebank/tidebank/localstack/devapi"
	"github.com/tidebank/tidebank/localstack/facesim"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
)

const consumer = "audit-on-event"

// fixture is the developer page of a bank.
type fixture struct {
	*bank.Bank
	mux    *http.ServeMux
	page   dev.Page
	clock  *dev.Clock
	status atomic.Int64 // what the consumer answers
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	d := &fixture{Bank: bank.New(t), mux: http.NewServeMux()}
	kinds := events.Subscriptions{{Consumer: consumer, Types: []string{events.TypeTransferPosted}}}
	var err error
	d.clock, err = dev.OpenClock(d.Clock, filepath.Join(t.TempDir(), "clock"))
	check.Must(t, err)
	engine, err := facesim.New("s", d.Clock.Now)
	check.Must(t, err)
	d.page = dev.Page{
		Face:  engine,
		Clock: d.clock,
		Host:  d.Host, Functions: functions.All(), Seeder: d.Seeder(), SMS: &smssim.Gateway{Secret: "s", Now: d.Clock.Now},
		Broker: &broker.Broker{
			DB: d.Host.DB, Log: d.Host.Log, Subscriptions: kinds, Backoff: time.Millisecond,
			Deliver: func(context.Context, string, cloudevent.Event) (int, error) { return int(d.status.Load()), nil },
		},
	}
	d.page.Register(d.mux)
	return d
}

func (d *fixture) ask(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// read asks and reads JSON.
func (d *fixture) read(t *testing.T, method, path string, into any) {
	t.Helper()
	w := d.ask(method, path, "")
	if kind := w.Header().Get("Content-Type"); w.Code != http.StatusOK || !strings.HasPrefix(kind, "application/json") {
		t.Fatalf("%s %s: %d %s %s", method, path, w.Code, kind, w.Body)
	}
	check.Must(t, json.Unmarshal(w.Body.Bytes(), into))
}

func TestPages(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, path := range []string{"/dev", "/dev/api"} {
		w := d.ask("GET", path, "")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" ||
			!strings.HasPrefix(w.Body.String(), "<!doctype html>") {
			t.Errorf("%s: %d %s %.40s", path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
	if w := d.ask("GET", "/", ""); w.Code != http.StatusFound || w.Header().Get("Location") != "/dev" {
		t.Errorf("/: %d to %s", w.Code, w.Header().Get("Location"))
	}
	if w := d.ask("GET", "/elsewhere", ""); w.Code != http.StatusNotFound {
		t.Errorf("/elsewhere: %d", w.Code)
	}
	w := d.ask("GET", "/openapi.json", "")
	if w.Body.String() != string(docs.OpenAPI) || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("/openapi.json is not the description: %s", w.Header().Get("Content-Type"))
	}
}

// The certificate is that of the channel's key, which clients pin.
func TestBank(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	var got struct {
		Certificate []byte `json:"channel_certificate"`
		Keys        []struct {
			State            string
			Certificate, Pin []byte
		} `json:"channel_keys"`
	}
	d.read(t, "GET", "/dev/bank.json", &got)
	if len(got.Keys) != 1 || got.Keys[0].State != "current" || len(got.Keys[0].Pin) != 32 ||
		!bytes.Equal(got.Keys[0].Certificate, got.Certificate) {
		t.Errorf("the channel keys are %+v", got.Keys)
	}
	key, err := sm.CertificateKey(got.Certificate, time.Now())
	check.Must(t, err)
	if !key.Equal(d.Host.Keys.Public(keys.Channel)) {
		t.Error("the certificate is of another key")
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	type view struct {
		Name, Audience                   string
		Channel, Idempotent              bool
		StepUp                           bool `json:"step_up"`
		Consumes, Emits, Requirements    []string
		Summary, Rate, Risk, Audit, Kind string
	}
	var got []view
	d.read(t, "GET", "/dev/functions", &got)
	policy := map[string]string{}
	for i, f := range functions.All() {
		if i >= len(got) || got[i].Name != f.Spec.Name || len(got[i].Requirements) == 0 || got[i].Summary == "" {
			t.Fatalf("%s is not described in its place", f.Spec.Name)
		}
		v := got[i]
		policy[v.Name] = fmt.Sprint(v.Audience, " ", v.Channel, v.Idempotent, v.StepUp)
	}
	for name, want := range map[string]string{ // public, customer with all, and internal
		"channel-open": "public false false false", "transfer-confirm": "customer true true true",
		"account-overview": "customer true false false", consumer: "internal false false false",
	} {
		if policy[name] != want {
			t.Errorf("%s: %q, want %q", name, policy[name], want)
		}
	}
	if len(got) != len(functions.All()) {
		t.Errorf("%d functions, want %d", len(got), len(functions.All()))
	}
}

// Each customer is another, and each can sign up as the page tells.
func TestNewCustomersCanSignUp(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	seen := map[string]bool{}
	for n := range 4 {
		var p devapi.Person
		d.read(t, "POST", "/dev/customers", &p)
		if w := d.ask("POST", "/dev/customers", `{"name":"王小明"}`); w.Code != http.StatusBadRequest {
			t.Errorf("a body: %d, want 400", w.Code)
		}
		for _, what := range []string{p.IDNo, p.CardNo, p.Phone} {
			if what == "" || seen[what] {
				t.Errorf("%q is nobody's own", what)
			}
			seen[what] = true
		}
		if n > 1 {
			continue // two will do
		}
		phone := d.Device(t, fmt.Sprint("phone-of-customer-", n))
		phone.Call(t, identityregister.Function, uuid.NewString(), identityregister.Request{
			Name: p.Name, IDNo: p.IDNo, CardNo: p.CardNo, CardPassword: phone.Password(t, p.CardPassword), Phone: p.Phone,
			OTP: otptest.Ask(t, d.Bank, phone, otp.Register, p.Phone), LoginPassword: phone.Password(t, bank.LoginPassword),
			TradePassword: phone.Password(t, bank.TradePassword), DevicePublicKey: phone.PublicKey(t), DeviceSignature: phone.Possession(t),
		}).Want(t, "")
	}
	d.CheckLedger(t)
}

// The people that the page lists are those who are seeded when the bank starts.
func TestDemoCustomers(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	var listed []devapi.Person
	d.read(t, "GET", "/dev/customers", &listed)
	var seeded []devapi.Person
	for range 2 { // at each start of the bank
		seeded = nil
		people, err := dev.Seed(t.Context(), d.Seeder())
		check.Must(t, err)
		for _, c := range people {
			seeded = append(seeded, devapi.Person{
				Name: c.Name, IDNo: c.IDNo, CardNo: c.Accounts[0].No, CardPassword: c.CardPassword, Phone: c.Phone,
			})
		}
	}
	if diff := cmp.Diff(seeded, listed); diff != "" || len(listed) == 0 {
		t.Errorf("people (-seeded +listed):\n%s", diff)
	}
	if n := d.Count(t, "SELECT count(*) FROM customer"); n != len(listed) {
		t.Errorf("%d customers after two starts, want %d", n, len(listed))
	}
}

// event is one in the outbox, published.
func (d *fixture) event(t *testing.T, subject string) string {
	t.Helper()
	var unit pg.Unit
	check.Must(t, events.Emit(t.Context(), &unit, subject, uuid.Nil, events.TransferPosted{TransferID: "of-" + subject}))
	check.Must(t, d.Host.DB.Commit(t.Context(), &unit))
	stored := d.Outbox(t, events.TypeTransferPosted)
	e, err := stored[len(stored)-1].CloudEvent(d.Host.Keys)
	check.Must(t, err)
	check.Must(t, errors.Join(d.page.Broker.Publish(t.Context(), []cloudevent.Event{e})...))
	return e.ID
}

// state lists events as "id state", as the page's query finds them.
func (d *fixture) state(t *testing.T, query string) string {
	t.Helper()
	var list []devapi.Event
	d.read(t, "GET", "/dev/events?"+query, &list)
	if list == nil {
		t.Errorf("/dev/events?%s: null, want a list", query)
	}
	var text []string
	for _, e := range list {
		for _, v := range e.Deliveries {
			text = append(text, e.ID+" "+v.Consumer+" "+v.State)
		}
	}
	return strings.Join(text, "\n")
}

func (d *fixture) await(t *testing.T, query, want string) {
	t.Helper()
	check.Until(t, "/dev/events?"+query+" lists "+want, func() bool { return d.state(t, query) == want })
}

func TestEventsAndReplay(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	if got := d.state(t, ""); got != "" {
		t.Errorf("a new bank has the events %s", got)
	}
	d.status.Store(http.StatusBadRequest) // for good
	a, b := d.event(t, "a"), d.event(t, "b")
	line := func(id, state string) string { return id + " " + consumer + " " + state }
	if diff := cmp.Diff(line(b, "due")+"\n"+line(a, "due"), d.state(t, "")); diff != "" {
		t.Errorf("newest first (-want +got):\n%s", diff)
	}
	bank.Background(t, d.page.Broker.Run)
	d.await(t, "dead=true", line(b, "dead")+"\n"+line(a, "dead"))
	for _, query := range []string{"subject=a", "subject=of-a", "subject=a&dead=true"} {
		if diff := cmp.Diff(line(a, "dead"), d.state(t, query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	if got := d.state(t, "subject=nobody"); got != "" {
		t.Errorf("about nobody: %s", got)
	}

	d.status.Store(http.StatusOK)
	for _, tt := range []struct {
		query string
		want  int
	}{{"consumer=nobody", 0}, {"id=" + uuid.NewString(), 0}, {"id=" + a + "&consumer=" + consumer, 1}} {
		var got struct{ Replayed int }
		d.read(t, "POST", "/dev/replay?"+tt.query, &got)
		if got.Replayed != tt.want {
			t.Errorf("replay of %s: %d, want %d", tt.query, got.Replayed, tt.want)
		}
	}
	d.await(t, "", line(b, "dead")+"\n"+line(a, "done"))
	d.read(t, "POST", "/dev/replay", &struct{}{})
	d.await(t, "", line(b, "done")+"\n"+line(a, "done"))
	d.await(t, "dead=true", "")
}

// send has a text sent to a phone, as the bank does.
func (d *fixture) send(t *testing.T, id, phone, text string) error {
	t.Helper()
	server := httptest.NewServer(d.page.SMS)
	defer server.Close()
	return sms.New(sms.Config{URL: server.URL, Secret: "s"}, d.Clock).Send(t.Context(), sms.Message{ID: id, Phone: phone, Text: text})
}

func TestTexts(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	check.Must(t, d.send(t, "1", "13800010001", "一"))
	check.Must(t, d.send(t, "2", "13800010002", "二"))
	check.Must(t, d.send(t, "3", "13800010001", "三"))
	for query, want := range map[string][]string{"": {"三", "二", "一"}, "?phone=13800010001": {"三", "一"}, "?phone=13900010001": {}} {
		got := []smssim.Message{}
		d.read(t, "GET", "/dev/sms"+query, &got)
		texts := []string{}
		for _, m := range got {
			texts = append(texts, m.Text)
		}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
}

func TestGraphicCodesThatDoNotWait(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for path, want := range map[string]int{
		"/dev/captcha": http.StatusBadRequest, "/dev/captcha?id=": http.StatusBadRequest, "/dev/captcha?id=nope": http.StatusNotFound,
	} {
		if w := d.ask("POST", path, ""); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// A photo and a capture are all that an app engineer needs to try face checks.
func TestAFaceInTheSandbox(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	who := d.Customer(t, "王小明", 1_00)
	if w := d.ask("POST", "/dev/face/photo?phone=13900000000", ""); w.Code != http.StatusNotFound {
		t.Errorf("nobody's photo: %d", w.Code)
	}
	w := d.ask("POST", "/dev/face/photo?phone="+who.Phone, "")
	var made struct {
		Face uuid.UUID `json:"face"`
	}
	check.Must(t, json.Unmarshal(w.Body.Bytes(), &made))
	if n := d.Count(t, "SELECT count(*) FROM face_reference WHERE customer_id = $1 AND handle = $2", who.ID, made.Face); n != 1 {
		t.Errorf("%d photos", n)
	}
	w = d.ask("POST", "/dev/face/capture", `{"check_id":"`+uuid.NewString()+`","nonce":"AAAA","actions":["blink","nod"],`+
		`"expires_at":"x","scene":{"face":"`+made.Face.String()+`"}}`)
	var sealed struct {
		Capture []byte `json:"capture"`
	}
	check.Must(t, json.Unmarshal(w.Body.Bytes(), &sealed))
	if len(sealed.Capture) < 100 {
		t.Errorf("%d bytes: %s", len(sealed.Capture), w.Body)
	}
	if w := d.ask("POST", "/dev/face/capture", `{"x":1}`); w.Code != http.StatusBadRequest {
		t.Errorf("an unknown field: %d", w.Code)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	if w := d.ask("POST", "/dev/faults", `{"duplicate":true,"delay_ms":7,"sms":{"fail_next":1}}`); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if faults := &d.page.Broker.Faults; !faults.Duplicate.Load() || faults.DelayMS.Load() != 7 {
		t.Errorf("the broker duplicates: %v, and waits %d ms", faults.Duplicate.Load(), faults.DelayMS.Load())
	}
	if d.send(t, "1", "13800010001", "x") == nil || d.send(t, "1", "13800010001", "x") != nil {
		t.Error("the SMS gateway did not fail once")
	}
	for _, body := range []string{
		"", "faults", "[]", `{"delay_ms":"long"}`, `{"sms":1}`, `{"x":1}`, `{"sms":{"x":1}}`, `{"delay_ms":-1}`,
		`{"face":{"delay":-1}}`, `{"face":{"x":1}}`, `{"sms":{"fail_next":-1}}`,
		`{"sms":{"delay":-1}}`, `{"sms":{"lose_next":-1}}`, `{"sms":{"swallow_answer":-1}}`,
		`{"x":"` + strings.Repeat("x", 1<<16) + `"}`,
	} {
		if w := d.ask("POST", "/dev/faults", body); w.Code != http.StatusBadRequest {
			t.Errorf("%.30q: %d, want 400", body, w.Code)
		}
	}
	if faults := &d.page.Broker.Faults; !faults.Duplicate.Load() || faults.DelayMS.Load() != 7 {
		t.Error("a bad order changed the faults")
	}
	if w := d.ask("POST", "/dev/faults", `{}`); w.Code != http.StatusOK || d.page.Broker.Faults.Duplicate.Load() {
		t.Errorf("taken back: %d", w.Code)
	}
}

// Without its database the page says so, and shows no half of it.
func TestADatabaseThatIsGoneIsTold(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.Host.DB.Close()
	for _, call := range [][2]string{{"GET", "/dev/events"}, {"POST", "/dev/replay"}, {"POST", "/dev/customers"}} {
		if w := d.ask(call[0], call[1], ""); w.Code != http.StatusInternalServerError {
			t.Errorf("%v: %d %s", call, w.Code, w.Body)
		}
	}
}
