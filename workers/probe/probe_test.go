package probe_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/events/relay"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/workers/probe"
)

// fixture is a bank that serves over HTTP and delivers its events, and a probe of it.
type fixture struct {
	*bank.Bank
	prober   probe.Prober
	customer seed.Customer
	registry *prometheus.Registry
	down     atomic.Value // the name of a function that does not answer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	b := bank.New(t)
	w := &fixture{Bank: b, registry: prometheus.NewRegistry()}
	w.down.Store("")
	texts := &smssim.Gateway{Secret: "s", Now: b.Clock.Now}
	phone := httptest.NewServer(texts)
	t.Cleanup(phone.Close)
	settings := append(bank.Nowhere(), sms.Config{URL: phone.URL, Secret: "s"})
	gw, err := gateway.New(t.Context(), functions.All(), b.Host, host.Values(settings...))
	check.Must(t, err)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if name := w.down.Load(); name != "" && strings.HasSuffix(r.URL.Path, "/function/"+name.(string)) {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		gw.ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	inbox := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = rw.Write(check.JSON(t, texts.Inbox(r.FormValue("phone"))))
	}))
	t.Cleanup(inbox.Close)
	local := &broker.Broker{DB: b.Host.DB, Log: b.Host.Log, Subscriptions: functions.Subscriptions(), Deliver: gw.Deliver}
	publisher := &relay.Relay{DB: b.Host.DB, Ring: b.Host.Keys, Sink: local, Log: b.Host.Log}
	bank.Background(t, local.Run)
	bank.Background(t, publisher.Run)

	w.customer = b.Customer(t, "探测", 100, 0)
	device := keytest.PrivateKey(t)
	public, err := device.Public().Marshal()
	check.Must(t, err)
	check.Must(t, b.Seeder().SignUp(t.Context(), w.customer, bank.LoginPassword, bank.TradePassword, "business-probe-1", public))
	private, err := device.Marshal()
	check.Must(t, err)
	pin, err := b.Host.Keys.Public(keys.Channel).Marshal()
	check.Must(t, err)
	config := probe.Config{
		URL: front.URL, EventsURL: front.URL + "/function", InboxURL: inbox.URL,
		Every: time.Second, TransferEvery: time.Hour, LoginEvery: 3 * time.Hour,
		Customer: string(check.JSON(t, probe.Customer{
			Phone: w.customer.Phone, LoginPassword: bank.LoginPassword, DeviceID: "business-probe-1",
			DeviceKey: private, Pins: [][]byte{pin},
		})),
	}
	w.prober, err = probe.New(&fn.WorkerLent{Clock: b.Clock, Log: b.Host.Log, Metrics: w.registry}, config)
	check.Must(t, err)
	return w
}

// round runs a round and returns the failures: function and step.
func (w *fixture) round(t *testing.T) (failed []string, tried map[string]bool) {
	t.Helper()
	check.Must(t, w.prober.Round(t.Context()))
	families, err := w.registry.Gather()
	check.Must(t, err)
	tried = map[string]bool{}
	for _, f := range families {
		if f.GetName() != "tidebank_probe_success" {
			continue
		}
		for _, m := range f.GetMetric() {
			call := m.GetLabel()[0].GetValue() + " " + m.GetLabel()[1].GetValue()
			tried[call] = true
			if m.GetGauge().GetValue() != 1 {
				failed = append(failed, call)
			}
		}
	}
	return failed, tried
}

// balances are those of the probe's accounts.
func (w *fixture) balances(t *testing.T) (list []money.Fen) {
	t.Helper()
	for _, id := range w.customer.AccountIDs {
		list = append(list, w.Balance(t, id))
	}
	return list
}

// The probe calls every function, and each answers as expected. When any one of them stops
// answering, the probe reports a failure of that function and of no other.
func TestTheProbeNamesTheFunctionThatStopsAnswering(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AVAIL-006.2")
	w := newFixture(t)
	failed, tried := w.round(t)
	if len(failed) > 0 {
		t.Fatalf("all is well, and these fail: %q\n%s", failed, w.Log)
	}
	for _, f := range req.AtLeast(t, 20, functions.All()) {
		if !tried[f.Spec.Name+" answers"] {
			t.Errorf("%s is not called", f.Spec.Name)
		}
		w.down.Store(f.Spec.Name)
		failed, _ := w.round(t)
		if !slices.Contains(failed, f.Spec.Name+" answers") {
			t.Errorf("%s is down, and the probe reports %q", f.Spec.Name, failed)
		}
		for _, call := range failed {
			if !strings.HasPrefix(call, f.Spec.Name+" ") {
				t.Errorf("%s is down, and the probe reports %s", f.Spec.Name, call)
			}
		}
		w.down.Store("")
		if failed, _ := w.round(t); len(failed) > 0 {
			t.Fatalf("%s answers again, and these fail: %q", f.Spec.Name, failed)
		}
	}
}

// The journey logs in, reads the balance, and moves 0.01 between the probe's accounts at
// each interval, there and back.
func TestTheJourney(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, want := range [][]money.Fen{{99, 1}, {98, 2}} {
		failed, tried := w.round(t)
		for _, call := range []string{
			"otp-send login", "notify-on-otp login", "identity-login login", "account-overview balance",
			"device-report transfer", "transfer-prepare transfer", "transfer-confirm transfer", "account-overview transfer",
		} {
			if !tried[call] || len(failed) > 0 {
				t.Fatalf("%s: tried %v, failed %q\n%s", call, tried[call], failed, w.Log)
			}
		}
		if diff := cmp.Diff(want, w.balances(t)); diff != "" {
			t.Errorf("balances (-want +got):\n%s", diff)
		}
		w.round(t) // within the interval
		if diff := cmp.Diff(want, w.balances(t)); diff != "" {
			t.Errorf("a transfer too early (-want +got):\n%s", diff)
		}
		w.Advance(time.Hour) // the login ends too: it was idle
		w.round(t)           // finds that the login has ended
	}
}

// A login that fails is reported until one succeeds, and is not tried in each round: a
// number gets few codes a day.
func TestAFailedLoginIsReportedAndWaits(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.down.Store("identity-login")
	for range 3 {
		if failed, _ := w.round(t); !slices.Contains(failed, "identity-login login") {
			t.Errorf("the login fails, and the probe reports %q", failed)
		}
	}
	if n := check.Count(t, w.Host.DB.Pool(), `SELECT count(*) FROM otp_challenge`); n != 1 {
		t.Errorf("%d codes were asked for, want 1", n)
	}
	w.down.Store("")
	w.Advance(2 * time.Minute)
	if failed, _ := w.round(t); len(failed) > 0 {
		t.Errorf("after the pause: %q\n%s", failed, w.Log)
	}
}

func TestFunctionsThatAreLeftOut(t *testing.T) {
	t.Parallel()
	all, some := probe.Targets(""), probe.Targets("deadletter-on-event, transfer-list")
	if len(all) != len(functions.All()) || len(some) != len(all)-2 || slices.Contains(some, "transfer-list") {
		t.Errorf("%d of all, %d of some", len(all), len(some))
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	lent := &host.Host{Clock: clock.System{}, Metrics: host.NewMetrics(prometheus.NewRegistry())}
	for _, who := range []string{"no JSON", "{}", `{"phone": "1", "device_id": "d", "device_key": "AA==", "pins": ["AA=="]}`} {
		config := probe.Config{
			URL: "http://b", EventsURL: "http://b", InboxURL: "http://i", Customer: who,
			Every: 5 * time.Second, TransferEvery: time.Minute, LoginEvery: time.Hour,
		}
		if _, err := probe.Worker.Start(t.Context(), lent, host.Values(config)); err == nil {
			t.Errorf("%q: no error", who)
		}
	}
	if err := (probe.Config{InboxURL: "http://i"}).Encrypted(); err == nil {
		t.Error("the inbox may be in clear")
	}
}

// A new bank has no customer for the probe. The worker is ready all the same, tells the
// operator, and makes no result that would count as up.
func TestTheProbeWaitsForItsCustomer(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	log := make(lines, 100)
	lent := &fn.WorkerLent{Clock: clock.System{}, Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: registry}
	work, err := probe.Wire(t.Context(), lent, probe.Config{URL: "http://127.0.0.1:1", Every: time.Second})
	check.Must(t, err)
	bank.Background(t, work)
	if line := <-log; !strings.Contains(line, "set PROBE_CUSTOMER") {
		t.Errorf("the operator reads %q", line)
	}
	families, err := registry.Gather()
	check.Must(t, err)
	if len(families) != 0 {
		t.Errorf("results without a customer: %v", families)
	}

	_, err = probe.Wire(t.Context(), lent, probe.Config{Customer: "{}", Every: time.Second})
	if err == nil {
		t.Error("a customer without an inbox is taken")
	}
}

// lines is a log that a test reads.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}
