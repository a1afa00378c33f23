package relay_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/workers/relay"
)

// The relay posts an event to the sink of either key, sealed by the bank.
func TestEventsReachTheSink(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"K_SINK", "SINK_URL"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			b := bank.New(t)
			got := make(chan *http.Request, 1)
			sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				got <- r
				w.WriteHeader(http.StatusAccepted)
			}))
			t.Cleanup(sink.Close)
			token := filepath.Join(t.TempDir(), "token")
			check.Must(t, os.WriteFile(token, []byte("of the relay"), 0o600))
			config := relay.Config{Lease: 10 * time.Second, Batch: 10, Token: token}
			want := ""
			if key == "K_SINK" {
				config.KSink, want = sink.URL, "Bearer of the relay"
			} else {
				config.SinkURL = sink.URL
			}
			work, err := relay.Worker.Start(t.Context(), b.Host, host.Values(config))
			if err != nil {
				t.Fatal(err)
			}
			bank.Background(t, work)
			var unit pg.Unit
			who := uuid.New()
			err = errors.Join(events.Emit(t.Context(), &unit, who.String(), who, events.IdentityRegistered{CustomerID: who.String()}),
				b.Host.DB.Commit(t.Context(), &unit))
			if err != nil {
				t.Fatal(err)
			}
			select {
			case r := <-got:
				if r.Header.Get("Ce-Type") != events.TypeIdentityRegistered || r.Header.Get("Ce-Tidebankmac") == "" {
					t.Errorf("the event came as %v", r.Header)
				}
				if r.Header.Get("Authorization") != want { // only the platform's own broker may see the token
					t.Errorf("the relay says %q, want %q", r.Header.Get("Authorization"), want)
				}
			case <-time.After(time.Minute):
				t.Fatal("no event came")
			}
		})
	}
}

// gateway answers as OpenFaaS' gateway does for event functions, and counts the events
// that each function got.
type gateway struct {
	mu     sync.Mutex
	got    map[string]int
	answer func(consumer string, times int) int
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	consumer := strings.TrimPrefix(r.URL.Path, "/function/")
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Header.Get("Ce-Tidebankmac") != "" {
		g.got[consumer]++
	}
	w.WriteHeader(g.answer(consumer, g.got[consumer]))
}

func (g *gateway) counts() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.got)
}

// Where the platform has no broker, the relay posts an event to each function that hears
// it and is deployed. A function that fails gets it again, and the others do not.
func TestEventsReachFunctions(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	front := &gateway{got: map[string]int{}, answer: func(consumer string, times int) int {
		if consumer == "notify-on-transfer" && times < 3 {
			return http.StatusServiceUnavailable
		}
		return http.StatusAccepted
	}}
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	work, err := relay.Worker.Start(t.Context(), b.Host, host.Values(relay.Config{
		FunctionsURL: server.URL + "/function", Consumers: "audit-on-event, notify-on-transfer", Lease: 10 * time.Second, Batch: 10,
	}))
	check.Must(t, err)
	bank.Background(t, work)
	var unit pg.Unit
	check.Must(t, events.Emit(t.Context(), &unit, "x", uuid.New(), events.TransferPosted{}))
	check.Must(t, b.Host.DB.Commit(t.Context(), &unit))
	check.UntilCount(t, 2, b.Host.DB.Pool(), `SELECT count(*) FROM delivery WHERE state = 'done'`)
	if diff := cmp.Diff(map[string]int{"audit-on-event": 1, "notify-on-transfer": 3}, front.counts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A receiver that refuses an event for good makes a dead letter, and no redirect leads an
// event to another address.
func TestEventsThatFunctionsRefuse(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the relay followed a redirect") }))
	t.Cleanup(elsewhere.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/audit-on-event") {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(server.Close)
	work, err := relay.Worker.Start(t.Context(), b.Host, host.Values(relay.Config{
		FunctionsURL: server.URL, Lease: 10 * time.Second, Batch: 10,
	}))
	check.Must(t, err)
	bank.Background(t, work)
	var unit pg.Unit
	check.Must(t, events.Emit(t.Context(), &unit, "x", uuid.New(), events.TransferPosted{}))
	check.Must(t, b.Host.DB.Commit(t.Context(), &unit))
	check.UntilCount(t, 2, b.Host.DB.Pool(), `SELECT count(*) FROM delivery WHERE state = 'dead' AND consumer <> 'audit-on-event'`)
	check.UntilCount(t, 1, b.Host.DB.Pool(),
		`SELECT count(*) FROM delivery WHERE state = 'due' AND consumer = 'audit-on-event' AND last_error = 'answered 307'`)
}

func TestSinksThatAreRefused(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	for name, tt := range map[string]struct {
		config relay.Config
		want   error
	}{
		"none":                 {relay.Config{}, relay.ErrSinks},
		"a topic and a sink":   {relay.Config{SinkURL: "http://b", Topic: "arn:aws:sns:eu-west-1:1:t"}, relay.ErrSinks},
		"functions and a sink": {relay.Config{SinkURL: "http://b", FunctionsURL: "http://f"}, relay.ErrSinks},
		"a topic, no region":   {relay.Config{Topic: "arn:aws:sns:eu-west-1:1:t"}, cloud.ErrNoRegion},
		"no such consumer":     {relay.Config{FunctionsURL: "http://f", Consumers: "audit-on-event,audit-on-evnt"}, events.ErrConsumer},
		"functions not HTTP":   {relay.Config{FunctionsURL: "gateway"}, host.ErrSetting},
		"two":                  {relay.Config{KSink: "http://a", SinkURL: "http://b"}, relay.ErrSinks},
		"no address":           {relay.Config{KSink: "broker"}, host.ErrSetting},
		"not HTTP":             {relay.Config{SinkURL: "ftp://broker"}, host.ErrSetting},
		"short lease":          {relay.Config{SinkURL: "http://b", Lease: time.Second}, host.ErrSetting},
		"empty batch":          {relay.Config{SinkURL: "http://b", Lease: time.Minute, Batch: -1}, host.ErrSetting},
		"endless wait":         {relay.Config{SinkURL: "http://b", Lease: time.Hour, Batch: 1}, host.ErrSetting},
	} {
		if !errors.Is(tt.want, host.ErrSetting) {
			tt.config.Lease, tt.config.Batch = 10*time.Second, 10
		}
		if _, err := relay.Worker.Start(t.Context(), b.Host, host.Values(tt.config)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}
