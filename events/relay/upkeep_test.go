package relay_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/test/check"
)

func TestObserve(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	registry := prometheus.NewRegistry()
	r := d.relay(&sink{})
	r.Observe(registry)
	read := func() map[string]float64 {
		t.Helper()
		families, err := registry.Gather()
		check.Must(t, err)
		values := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, l := range m.GetLabel() {
					name += " " + l.GetValue()
				}
				values[name] = m.GetGauge().GetValue()
			}
		}
		return values
	}
	const waiting, lag = "tidebank_outbox_unpublished events", "tidebank_outbox_lag_seconds events"
	const codes, aside = "tidebank_outbox_lag_seconds codes", "tidebank_outbox_set_aside"
	const dead = "tidebank_outbox_dead_letters"
	if got := read(); len(got) != 8 || got[dead] != 0 || got[waiting] != 0 || got[lag] != 0 || got[codes] != 0 || got[aside] != 0 {
		t.Errorf("nothing waits: %v", got)
	}
	ids := d.fill(t, 3)
	check.Exec(t, d.Pool(), `UPDATE outbox SET created_at = now() - interval '1 hour' WHERE id = $1`, ids[1])
	if got := read(); got[waiting] != 3 || got[lag] < 3600 || got[lag] > 3900 {
		t.Errorf("three wait, the oldest for an hour: %v", got)
	}
	check.Exec(t, d.Pool(), `UPDATE outbox SET lane = 'codes', created_at = now() - interval '1 minute' WHERE id = $1`, ids[2])
	check.Exec(t, d.Pool(), `
INSERT INTO dead_letter (consumer, event_id, type, status, failed_at) VALUES ('c', $1, 't', 503, now())`, ids[0])
	if got := read(); got[dead] != 1 {
		t.Errorf("one is a dead letter: %v", got)
	}
	if got := read(); got[codes] < 60 || got[codes] > 360 {
		t.Errorf("a code waits for a minute: %v", got)
	}
	check.Exec(t, d.Pool(), `UPDATE outbox SET set_aside_at = now() WHERE id = $1`, ids[2])
	if got := read(); got[waiting] != 2 || got[codes] != 0 || got[aside] != 1 {
		t.Errorf("one is set aside: %v", got)
	}
	once(t, r, 2)
	if got := read(); got[waiting] != 0 || got[lag] != 0 {
		t.Errorf("all are published: %v", got)
	}
}
