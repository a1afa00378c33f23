package relay_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
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
			config := relay.Config{Lease: 10 * time.Second, Batch: 10}
			if key == "K_SINK" {
				config.KSink = sink.URL
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
			case <-time.After(time.Minute):
				t.Fatal("no event came")
			}
		})
	}
}

func TestSinksThatAreRefused(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	for name, tt := range map[string]struct {
		config relay.Config
		want   error
	}{
		"none":         {relay.Config{}, relay.ErrSinks},
		"two":          {relay.Config{KSink: "http://a", SinkURL: "http://b"}, relay.ErrSinks},
		"no address":   {relay.Config{KSink: "broker"}, host.ErrSetting},
		"not HTTP":     {relay.Config{SinkURL: "ftp://broker"}, host.ErrSetting},
		"short lease":  {relay.Config{SinkURL: "http://b", Lease: time.Second}, host.ErrSetting},
		"empty batch":  {relay.Config{SinkURL: "http://b", Lease: time.Minute, Batch: -1}, host.ErrSetting},
		"endless wait": {relay.Config{SinkURL: "http://b", Lease: time.Hour, Batch: 1}, host.ErrSetting},
	} {
		if !errors.Is(tt.want, host.ErrSetting) {
			tt.config.Lease, tt.config.Batch = 10*time.Second, 10
		}
		if _, err := relay.Worker.Start(t.Context(), b.Host, host.Values(tt.config)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}
