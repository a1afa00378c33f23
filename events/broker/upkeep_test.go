package broker_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/pgtest"
	"github.com/tidebank/tidebank/test/bank"
)

// old writes a delivery of a state that was due some time ago.
func (d *desk) old(t *testing.T, state, age string) string {
	t.Helper()
	id := uuid.NewString()
	d.exec(t, `INSERT INTO delivery (consumer, event_id, event, state, due_at) VALUES ('audit-on-event', $1, '', $2, now() - $3::interval)`,
		id, state, age)
	return id
}

// Only what was done a week ago is pruned; a dead letter waits for a person.
func TestPrune(t *testing.T) {
	t.Parallel()
	d := newDesk(t, taken)
	kept := map[string]string{
		d.old(t, "done", "6 days 23 hours"): "done lately", d.old(t, "dead", "90 days"): "dead", d.old(t, "due", "90 days"): "due",
	}
	d.old(t, "done", "7 days 1 second")
	d.old(t, "done", "90 days")
	if err := d.broker(t).Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, what := range kept {
		if d.int(t, `SELECT count(*) FROM delivery WHERE event_id = $1`, id) != 1 {
			t.Errorf("%s was pruned", what)
		}
	}
	if n := d.int(t, `SELECT count(*) FROM delivery`); n != len(kept) {
		t.Errorf("%d deliveries are left, want %d", n, len(kept))
	}
	b := d.broker(t)
	b.DB = pgtest.Broken(t)
	if err := b.Prune(t.Context()); err == nil {
		t.Error("pruned without a database")
	}
}

func TestRunPrunes(t *testing.T) {
	t.Parallel()
	d := newDesk(t, taken)
	d.old(t, "done", "90 days")
	bank.Background(t, d.broker(t).Run)
	d.until(t, 0, `SELECT count(*) FROM delivery`)
}

func TestObserve(t *testing.T) {
	t.Parallel()
	d := newDesk(t, taken)
	registry := prometheus.NewRegistry()
	d.broker(t).Observe(registry)
	for _, state := range []string{"due", "due", "due", "dead", "dead", "done"} {
		d.old(t, state, "1 hour")
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	want := map[string]float64{"tidebank_deliveries_waiting": 3, "tidebank_dead_letters": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
