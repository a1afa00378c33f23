package monitoring

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"

	accountdetail "github.com/tidebank/tidebank/functions/account/detail"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// delay passes TCP connections on to a server, and delays each answer.
func delay(t *testing.T, server string, by time.Duration) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", server)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() {
				defer in.Close()
				buffer := make([]byte, 64<<10)
				for {
					n, err := out.Read(buffer)
					time.Sleep(by)
					if _, w := in.Write(buffer[:n]); err != nil || w != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// scrape reads the metrics as Prometheus does, by series.
func scrape(t *testing.T, handler http.Handler) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	values := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		var value float64
		series, text, found := strings.Cut(strings.TrimSpace(line), "} ")
		if _, err := fmt.Sscan(text, &value); found && err == nil && strings.HasPrefix(series, "tidebank_") {
			values[series+"}"] = value
		}
	}
	return values
}

// each makes series of two scrapes: for ten minutes what happened before the first happens in
// each minute, and then what happened between the two.
func each(first, second map[string]float64) (list []series) {
	for name, value := range second {
		before, change := first[name], value-first[name]
		list = append(list, series{name, fmt.Sprintf("0+%gx10 %g+%gx20", before, before*10+change, change)})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Series < list[j].Series })
	return list
}

// dependency is a service of the bank that a test slows down.
type dependency struct {
	name downstream.Name
	// call calls the service by the bank's own client: as it is, or slowed down.
	call func(t *testing.T, m *host.Metrics, slow bool)
}

const calls = 20

func dependencies() []dependency {
	return []dependency{
		{downstream.SMS, func(t *testing.T, m *host.Metrics, slow bool) {
			t.Helper()
			gateway := &smssim.Gateway{Secret: "s", Now: time.Now}
			if slow {
				gateway.SetFaults(smssim.Faults{Delay: 1200 * time.Millisecond})
			}
			server := httptest.NewServer(gateway)
			t.Cleanup(server.Close)
			client := sms.New(sms.Config{URL: server.URL, Secret: "s"}, clock.System{}).Timed(m.Downstream(downstream.SMS))
			for i := range calls {
				must(t, client.Send(t.Context(), sms.Message{ID: fmt.Sprint(slow, i), Phone: "13800000000", Text: "t"}))
			}
		}},
		{downstream.Redis, func(t *testing.T, m *host.Metrics, slow bool) {
			t.Helper()
			address := miniredis.RunT(t).Addr()
			if slow {
				address = delay(t, address, 60*time.Millisecond)
			}
			client, err := redisdb.Open(redisdb.Config{URL: "redis://" + address, Timer: m.Downstream(downstream.Redis)})
			must(t, err)
			t.Cleanup(func() { _ = client.Close() })
			for range calls {
				must(t, client.Ping(t.Context()).Err())
			}
		}},
	}
}

// The bank's own client of each service measures it, first as it is and then slowed down.
// The measured series raise the alert that names the service, and no alert names another.
func TestASlowDependencyRaisesAnAlertThatNamesIt(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-004.1")
	for _, d := range dependencies() {
		m := host.NewMetrics(prometheus.NewRegistry())
		d.call(t, m, false)
		first := scrape(t, m.Handler())
		d.call(t, m, true)
		named := fmt.Sprintf(`alertname="DependencySlow",dependency=%q`, d.name)
		judge(t, test{Name: string(d.name), Interval: "1m", Series: each(first, scrape(t, m.Handler())), Wants: []evaluation{
			firing(named, "10m", 0), firing(named, "18m", 1), firing(`alertname="DependencySlow"`, "18m", 1),
		}})
	}
	slowDatabase(t)
}

// slowDatabase does the same with a real PostgreSQL behind a slow network.
func slowDatabase(t *testing.T) {
	t.Helper()
	_, address := pgtest.NewURL(t)
	query := func(url string) map[string]float64 {
		m := host.NewMetrics(prometheus.NewRegistry())
		db, err := pg.Open(t.Context(), pg.Config{URL: url, MaxConns: 1})
		must(t, err)
		defer db.Close()
		db.Observe(m.Registry)
		for range calls {
			_, err := db.Pool().Exec(t.Context(), "-- probe.one\nSELECT 1")
			must(t, err)
		}
		return scrape(t, m.Handler())
	}
	first := query(address)
	second := query(slowed(t, address)) // of another process, whose counters begin at zero
	for series, value := range first {
		second[series] += value
	}
	const named = `alertname="DependencySlow",dependency="postgresql"`
	judge(t, test{Name: "postgresql", Interval: "1m", Series: each(first, second), Wants: []evaluation{
		firing(named, "10m", 0), firing(named, "18m", 1), firing(`alertname="DependencySlow"`, "18m", 1),
	}})
}

// slowed is the address of a database through a slow network.
func slowed(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	u.Host = delay(t, u.Host, 80*time.Millisecond)
	return u.String()
}

// alertWithin is the time after which an error rate above the threshold must have raised its
// alert (docs/observability.md).
const alertWithin = 5

// A real function first works, and then its database breaks. Its own counters raise the
// alert within five minutes.
func TestInjectedErrorsRaiseAnAlertInTime(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-002.4")
	p := bank.NewPair(t, 1_000_00)
	request := map[string]any{"account_id": p.Payer.AccountIDs[0]}
	for range calls {
		p.Phone.Call(t, accountdetail.Function, "", request).Want(t, "")
	}
	first := scrape(t, p.Host.Metrics.Handler())
	working := p.Host.DB
	p.Host.DB = pgtest.Broken(t)
	p.Forget(accountdetail.Function)
	for range calls {
		p.Phone.Call(t, accountdetail.Function, "", request).Want(t, "SERVICE_UNAVAILABLE")
	}
	p.Host.DB = working
	const named = `alertname="FunctionErrors",function="account-detail"`
	judge(t, test{Name: "errors", Interval: "1m", Series: each(first, scrape(t, p.Host.Metrics.Handler())), Wants: []evaluation{
		firing(named, "10m", 0), firing(named, fmt.Sprint(10+alertWithin, "m"), 1),
	}})
}
