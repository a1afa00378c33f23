// Package bank is a whole bank inside one test: real PostgreSQL, a real Redis
// protocol, fresh keys and a clock that the test turns. Tests call functions through
// their own entry, over a real secure channel.
package bank

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// Bank is the bank of one test.
type Bank struct {
	Host  *host.Host
	Clock *clock.Manual
	Redis *miniredis.Miniredis
	Log   *Log

	// DatabaseOf gives each function a database of its own, if it is set before the
	// function is opened.
	DatabaseOf func(testing.TB, fn.Function) *pg.DB

	mu     sync.Mutex
	opened map[string]handler.FunctionHandler
	people atomic.Int64
	known  []seed.Customer

	certs           sync.Once // starts the authority's interface
	authority       *casim.CA
	authorityConfig cert.Config
}

// Log collects the bank's log lines for tests that search them.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends a line.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// String returns the whole log.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Start is the time at which every test's clock starts: a Monday, ten in the morning.
var Start = time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai)

// sessions is how long the bank of a test keeps channels and logins.
var sessions = session.Config{ChannelLife: 12 * time.Hour, Idle: 10 * time.Minute}

// New opens a bank for the test.
func New(t testing.TB) *Bank {
	t.Helper()
	return On(t, pgtest.New(t))
}

// On opens a bank on a database.
func On(t testing.TB, db *pg.DB) *Bank {
	t.Helper()
	return OnKeys(t, db, func(clock.Clock) *keys.Ring {
		ring, err := keys.NewTestRing()
		check.Must(t, err)
		return ring
	})
}

// OnKeys opens a bank on a database, with keys that follow the bank's clock.
func OnKeys(t testing.TB, db *pg.DB, open func(clock.Clock) *keys.Ring) *Bank {
	t.Helper()
	b := &Bank{
		Clock: clock.NewManual(Start), Redis: miniredis.RunT(t), Log: &Log{}, opened: map[string]handler.FunctionHandler{},
	}
	b.Redis.SetTime(Start)
	ring := open(b.Clock)
	var err error
	b.authority, err = casim.New(uuid.NewString(), b.Clock.Now)
	check.Must(t, err)
	roots, err := b.authority.Config("").Trust.Parse()
	check.Must(t, err)
	client := redis.NewClient(&redis.Options{Addr: b.Redis.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	store, err := session.New(client, ring, b.Clock, sessions)
	check.Must(t, err)
	b.Host = &host.Host{
		DB: db, Redis: client, Keys: ring, Roots: roots, Sessions: store, Risk: risk.Baseline{}, Clock: b.Clock,
		Log: host.NewLogger(b.Log), Metrics: host.NewMetrics(prometheus.NewRegistry()),
		Limits: host.Limits{BodyBytes: 64 << 10, RateScale: 1000}, Hashing: password.NewHashing(password.Config{Rounds: Rounds}),
	}
	t.Cleanup(func() {
		for _, secret := range b.Leaks(b.Log.String()) {
			t.Errorf("the log shows the %s", secret)
		}
		if err := CheckLog(b.Log.String()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Advance turns the clock of the bank and of Redis.
func (b *Bank) Advance(d time.Duration) {
	b.Clock.Advance(d)
	b.Redis.FastForward(d)
	b.Redis.SetTime(b.Clock.Now())
}

// Nowhere is the configuration of functions that no test configures: no face engine answers, and
// a reference photo is good for a year.
func Nowhere() []any {
	return []any{
		face.Policy{MaxAge: 365 * 24 * time.Hour}, face.Config{URL: "http://127.0.0.1:1", Secret: "x", Timeout: time.Second},
	}
}

// Open returns a function's entry on this bank. The first Open of a function passes
// its configuration.
func (b *Bank) Open(t testing.TB, f fn.Function, configuration ...any) handler.FunctionHandler {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	entry, ok := b.opened[f.Spec.Name]
	if !ok {
		var err error
		entry, err = f.Open(t.Context(), b.hostOf(t, f), host.Values(b.withAuthority(t, f, slices.Concat(Nowhere(), configuration))...))
		check.Must(t, err)
		b.opened[f.Spec.Name] = entry
	}
	return entry
}

// hostOf returns the host of a function: the bank's, or one with a database of its own.
func (b *Bank) hostOf(t testing.TB, f fn.Function) *host.Host {
	t.Helper()
	if b.DatabaseOf == nil {
		return b.Host
	}
	own := *b.Host
	own.DB = b.DatabaseOf(t, f)
	return &own
}

// Instance opens a second instance of a function, as another process would. It has a store
// of sessions of its own.
func (b *Bank) Instance(t testing.TB, f fn.Function) handler.FunctionHandler {
	t.Helper()
	own := *b.Host
	var err error
	own.Sessions, err = session.New(b.Host.Redis, b.Host.Keys, b.Clock, sessions)
	check.Must(t, err)
	entry, err := f.Open(t.Context(), &own, host.Values(b.withAuthority(t, f, Nowhere())...))
	check.Must(t, err)
	return entry
}

// Forget forgets an opened function, so that a test can open another function with
// the same name.
func (b *Bank) Forget(f fn.Function) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.opened, f.Spec.Name)
}

// Seeder writes customers into the bank.
func (b *Bank) Seeder() seed.Seeder {
	return seed.Seeder{DB: b.Host.DB, Ring: b.Host.Keys, Passwords: b.Passwords(), Clock: b.Clock}
}

// Rounds is the number of PBKDF2 rounds in the bank of a test: few, so that tests are
// fast. A test of the real number sets Host.Hashing before it opens a function.
const Rounds = 10

// Passwords hashes and checks stored passwords, as the bank's functions do.
func (b *Bank) Passwords() *password.Store { return password.NewStore(b.Host.Keys, b.Host.Hashing) }

// Passwords of the customers that Customer makes.
const (
	LoginPassword = "tide-2026x"
	TradePassword = "739164"
	CardPassword  = seed.CardPassword
)

// Customer seeds a customer with an account for each balance.
func (b *Bank) Customer(t testing.TB, name string, balances ...money.Fen) seed.Customer {
	t.Helper()
	c, err := b.Seeder().Add(t.Context(), seed.Made(name, b.people.Add(1), balances...))
	check.Must(t, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known = append(b.known, c)
	return c
}

// Device is an app on a phone.
type Device struct {
	bank     *Bank
	ID       string
	Key      *sm.PrivateKey
	Channel  channel.ID
	Keys     channel.Keys
	Sequence atomic.Uint64
	IP       string
	Wire     io.Writer // if set, gets each frame and reply as an eavesdropper sees them
}

// Device opens a channel as an app would, without calling channel-open.
func (b *Bank) Device(t testing.TB, id string) *Device {
	t.Helper()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	d := &Device{bank: b, ID: id, Key: key, IP: "203.0.113.7"}
	d.Reopen(t)
	return d
}

// Reopen gives the device a fresh channel.
func (d *Device) Reopen(t testing.TB) {
	t.Helper()
	client, err := channel.NewClient(d.ID)
	check.Must(t, err)
	ring := d.bank.Host.Keys
	sign := func(message []byte) ([]byte, error) { return ring.Sign(keys.Channel, message) }
	welcome, id, opened, err := channel.Server{Sign: sign, Life: time.Hour}.Respond(client.Hello())
	check.Must(t, err)
	d.Channel, d.Keys, err = client.Finish(welcome, ring.Public(keys.Channel))
	check.Must(t, err)
	check.Must(t, d.bank.Host.Sessions.OpenChannel(t.Context(), id, session.Channel{DeviceID: d.ID, Keys: opened}))
	d.Sequence.Store(0)
}

// LoginAs signs the customer up if necessary, binds the device's key, starts a session on its
// channel and reports a clean environment, without calling identity-login.
func (d *Device) LoginAs(t testing.TB, c seed.Customer) {
	t.Helper()
	check.Must(t, d.bank.Seeder().SignUp(t.Context(), c, LoginPassword, TradePassword, d.ID, d.PublicKey(t)))
	check.Must(t, d.bank.Host.Sessions.Start(t.Context(), d.Channel, c.ID))
	d.ReportClean(t, c.ID)
}

// Password seals a password as the app does.
func (d *Device) Password(t testing.TB, password string) []byte {
	t.Helper()
	sealed, err := sm.Encrypt(d.bank.Host.Keys.Public(keys.Password), append(d.Channel[:], password...))
	check.Must(t, err)
	return sealed
}

// Reply is a function's answer, opened.
type Reply struct {
	Status  int
	Body    []byte
	Code    string // the code of a problem
	Problem fn.Problem
	Header  http.Header
}

// Into decodes a successful reply. Any other reply fails the test.
func (r Reply) Into(t testing.TB, value any) {
	t.Helper()
	if r.Status != http.StatusOK {
		t.Fatalf("status %d %s: %s", r.Status, r.Code, r.Body)
	}
	check.Must(t, json.Unmarshal(r.Body, value))
}

// Want fails the test unless the reply has the problem's code. With "" it wants a
// reply without a problem.
func (r Reply) Want(t testing.TB, code string) {
	t.Helper()
	if r.Code != code {
		t.Fatalf("got %d %q (%s), want %q", r.Status, r.Code, r.Body, code)
	}
}

// Call sends a request over the device's channel. The request is any value that
// marshals to JSON, or a json.RawMessage.
func (d *Device) Call(t testing.TB, f fn.Function, key string, request any) Reply {
	t.Helper()
	return d.Send(t, f, d.Frame(t, f, key, request))
}

// Frame seals a request with the next sequence.
func (d *Device) Frame(t testing.TB, f fn.Function, key string, request any) []byte {
	t.Helper()
	body := check.JSON(t, map[string]any{"idempotency_key": key, "request": request})
	return d.FrameAt(t, f, d.bank.Clock.Now(), body)
}

// FrameAt seals any clear text with the next sequence and a time.
func (d *Device) FrameAt(t testing.TB, f fn.Function, at time.Time, clear []byte) []byte {
	t.Helper()
	h := channel.Header{ID: d.Channel, Sequence: d.Sequence.Add(1), Time: at}
	frame, err := channel.SealRequest(d.Keys, h, http.MethodPost, f.Spec.Name, clear)
	check.Must(t, err)
	return frame
}

// Send sends a frame and opens the answer, sealed or not.
func (d *Device) Send(t testing.TB, f fn.Function, frame []byte) Reply {
	t.Helper()
	return d.SendTo(t, d.bank.Open(t, f), f, frame)
}

// SendTo is Send to the entry of an instance.
func (d *Device) SendTo(t testing.TB, entry handler.FunctionHandler, f fn.Function, frame []byte) Reply {
	t.Helper()
	resp := Handle(t, entry, frame, http.Header{"X-Forwarded-For": {d.IP}})
	if d.Wire != nil {
		_, err := fmt.Fprintf(d.Wire, "%s\n%s\n%v\n", frame, resp.Body, resp.Header)
		check.Must(t, err)
	}
	r := Reply{Status: resp.StatusCode, Body: resp.Body, Header: resp.Header}
	if resp.Header.Get("Content-Type") == channel.MediaType {
		sent, err := channel.ParseHeader(frame)
		check.Must(t, err)
		r.Body, err = channel.OpenReply(d.Keys, resp.Body, sent, f.Spec.Name, resp.StatusCode)
		check.Must(t, err)
	}
	if r.Status != http.StatusOK {
		check.Must(t, json.Unmarshal(r.Body, &r.Problem))
		r.Code = r.Problem.Code
		return r
	}
	if err := CheckReply(f.Spec.Name, r.Body); err != nil {
		t.Error(err)
	}
	return r
}

// Event makes an event with the bank's MAC.
func (b *Bank) Event(t testing.TB, id, eventType, subject string, data any) cloudevent.Event {
	t.Helper()
	body := check.JSON(t, data)
	e, err := events.Stored{ID: id, Type: eventType, Subject: subject, Data: body, CreatedAt: b.Clock.Now()}.CloudEvent(b.Host.Keys)
	check.Must(t, err)
	return e
}

// Deliver sends an event to an event function in structured mode and returns the
// status.
func (b *Bank) Deliver(t testing.TB, f fn.Function, e cloudevent.Event) int {
	t.Helper()
	return DeliverTo(t, b.Open(t, f), e)
}

// DeliverTo is Deliver to the entry of an instance.
func DeliverTo(t testing.TB, entry handler.FunctionHandler, e cloudevent.Event) int {
	t.Helper()
	body := check.JSON(t, e)
	return Handle(t, entry, body, http.Header{"Content-Type": {cloudevent.JSON}}).StatusCode
}

// DeliverRaw sends any body to an event function.
func (b *Bank) DeliverRaw(t testing.TB, f fn.Function, body []byte, header http.Header) int {
	t.Helper()
	return Handle(t, b.Open(t, f), body, header).StatusCode
}

// Handle posts a body to a function's entry.
func Handle(t testing.TB, entry handler.FunctionHandler, body []byte, header http.Header) handler.Response {
	t.Helper()
	request := handler.Request{Body: body, Method: http.MethodPost, Header: header}
	request.WithContext(t.Context())
	reply, err := entry.Handle(request)
	check.Must(t, err)
	return reply
}

// Outbox returns the events of a type that the bank has written so far.
func (b *Bank) Outbox(t testing.TB, eventType string) []events.Stored {
	t.Helper()
	rows, err := b.Host.DB.Pool().Query(context.Background(), `
SELECT id::text, type, subject, customerhash, data, traceparent, created_at FROM outbox WHERE type = $1 ORDER BY id`, eventType)
	check.Must(t, err)
	var list []events.Stored
	defer rows.Close()
	for rows.Next() {
		var s events.Stored
		check.Must(t, rows.Scan(&s.ID, &s.Type, &s.Subject, &s.CustomerHash, &s.Data, &s.Traceparent, &s.CreatedAt))
		list = append(list, s)
	}
	check.Must(t, rows.Err())
	return list
}
