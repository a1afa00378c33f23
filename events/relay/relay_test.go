package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// The sink gets the event as the operation emitted it.
func TestEventsArriveAsTheyWereEmitted(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2}, TraceFlags: trace.FlagsSampled,
	}))
	type emitted struct {
		customer uuid.UUID
		data     events.Data
	}
	sent := map[string]emitted{} // by subject
	var unit pg.Unit
	for _, kind := range events.Catalogue() {
		raw, err := os.ReadFile("../testdata/" + kind.Type + ".json")
		check.Must(t, err)
		e := emitted{customer: uuid.New(), data: read(t, raw, kind.Data)}
		subject := "subject of " + kind.Type
		sent[subject] = e
		check.Must(t, events.Emit(ctx, &unit, subject, e.customer, e.data))
	}
	check.Must(t, d.Commit(ctx, &unit))
	s := &sink{}
	for _, lane := range events.Lanes() {
		if _, err := d.relay(s).Once(t.Context(), lane); err != nil {
			t.Error(err)
		}
	}
	arrived := slices.Concat(s.batches...)
	if len(arrived) != len(sent) {
		t.Errorf("%d events arrived, want %d", len(arrived), len(sent))
	}
	for _, e := range arrived {
		want := sent[e.Subject]
		if e.Type != want.data.EventType() || e.Extensions["customerhash"] != events.CustomerHash(want.customer) {
			t.Errorf("type or customer of %v, want %+v", e, want)
		}
		if diff := cmp.Diff(want.data, read(t, e.Data, want.data)); diff != "" {
			t.Errorf("%s changed on its way (-emitted +published):\n%s", e.Type, diff)
		}
		const parent = "00-00000000000000000000000000000001-0000000000000002-01"
		if e.Extensions["traceparent"] != parent || events.Verify(d.ring, e) != nil {
			t.Errorf("trace or MAC: %v", e)
		}
		created := check.Value[time.Time](t, d.Pool(), `SELECT created_at FROM outbox WHERE id = $1`, e.ID)
		if !e.Time.Equal(created) {
			t.Errorf("%s is of %v, want %v", e.Type, e.Time, created)
		}
	}
}

// read is JSON as data of the type of like.
func read(t *testing.T, raw []byte, like events.Data) events.Data {
	t.Helper()
	data := reflect.New(reflect.TypeOf(like))
	check.Must(t, json.Unmarshal(raw, data.Interface()))
	return data.Elem().Interface().(events.Data)
}

// Once publishes and marks one batch, the oldest events first.
func TestBatches(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 25)
	s := &sink{}
	r := d.relay(s)
	r.Batch = 10
	for i, want := range []int{10, 10, 5, 0} {
		once(t, r, want)
		if left := check.Count(t, d.Pool(), countWaiting); left != max(0, 15-10*i) {
			t.Errorf("%d are left after batch %d", left, i)
		}
	}
	want := [][]string{ids[:10], ids[10:20], ids[20:]}
	if diff := cmp.Diff(want, s.ids()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestABatchHasTwoHundredUnlessTold(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.fill(t, 201)
	r := d.relay(&sink{})
	once(t, r, 200)
	once(t, r, 1)
}

// A batch that its sink does not take is not marked, and any relay can lease it soon.
func TestABatchThatIsNotTakenWaits(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 3)
	down := errors.New("sink is down")
	failing := &sink{before: func([]event) error {
		if n := check.Count(t, d.Pool(), countLeased); n != 3 {
			t.Errorf("%d are leased while they are published, want 3", n)
		}
		return down
	}}
	if n, err := d.relay(failing).Once(t.Context(), events.LaneEvents); n != 0 || !errors.Is(err, down) {
		t.Errorf("published %d, %v; want %v", n, err, down)
	}
	if waiting, leased := check.Count(t, d.Pool(), countWaiting), check.Count(t, d.Pool(), countLeased); waiting != 3 || leased != 0 {
		t.Errorf("%d wait, and %d are leased still", waiting, leased)
	}
	working := &sink{}
	once(t, d.relay(working), 3)
	if diff := cmp.Diff(map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1}, working.times()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A relay releases its batch also when its context has ended. Without this, a stopped
// relay would hold its batch for the length of a lease.
func TestAStoppedRelayReleases(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.fill(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	failing := &sink{before: func([]event) error { cancel(); return ctx.Err() }}
	if _, err := d.relay(failing).Once(ctx, events.LaneEvents); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	once(t, d.relay(&sink{}), 3)
	// A relay that is stopped after the sink took the batch still marks it.
	d.one(t)
	ctx, cancel = context.WithCancel(t.Context())
	if n, err := d.relay(&sink{after: cancel}).Once(ctx, events.LaneEvents); n != 1 || err != nil {
		t.Errorf("published %d, %v", n, err)
	}
	if n := check.Count(t, d.Pool(), countWaiting); n != 0 {
		t.Errorf("%d are not marked", n)
	}
}

func TestRunTriesAgain(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 5)
	var tries atomic.Int64
	s := &sink{before: func([]event) error {
		if tries.Add(1) <= 3 {
			return errors.New("sink is down")
		}
		return nil
	}}
	bank.Background(t, d.relay(s).Run)
	check.UntilCount(t, 0, d.Pool(), countWaiting)
	want := map[string]int{}
	for _, id := range ids {
		want[id] = 1
	}
	if diff := cmp.Diff(want, s.times()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := strings.Count(d.log.String(), "sink is down"); got < 3 {
		t.Errorf("the log tells %d failures, want 3 at least:\n%s", got, d.log)
	}
}

// A relay without a database logs the failure, tries again, and ends when it is stopped.
func TestRunWithoutADatabase(t *testing.T) {
	t.Parallel()
	log := &bank.Log{}
	r := fixture{DB: pgtest.Broken(t), log: log}.relay(&sink{})
	stop := bank.Background(t, r.Run)
	check.Until(t, "two failures are logged", func() bool { return strings.Count(log.String(), "lease") >= 2 })
	stop()
}
