package broker_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/test/check"
)

// old writes a delivery of a state that was due some time ago.
func (d *fixture) old(t *testing.T, state, age string) string {
	t.Helper()
	id := uuid.NewString()
	check.Exec(t, d.Pool(), `
INSERT INTO delivery (consumer, event_id, event, state, due_at) VALUES ('audit-on-event', $1, '', $2, now() - $3::interval)`,
		id, state, age)
	return id
}

func TestObserve(t *testing.T) {
	t.Parallel()
	d := newFixture(t, taken)
	registry := prometheus.NewRegistry()
	d.broker(t).Observe(registry)
	for _, state := range []string{"due", "due", "due", "dead", "dead", "done"} {
		d.old(t, state, "1 hour")
	}
	families, err := registry.Gather()
	check.Must(t, err)
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	want := map[string]float64{"tidebank_deliveries_waiting": 3, "tidebank_dead_letters": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
