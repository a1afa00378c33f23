package broker_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

func replay(t *testing.T, d *fixture, consumer, id string) int64 {
	t.Helper()
	n, err := d.broker(t).Replay(t.Context(), consumer, id)
	check.Must(t, err)
	return n
}

// Replay makes the named dead letters due again, and no delivery that is done.
func TestReplay(t *testing.T) {
	t.Parallel()
	d := newFixture(t, func(_, subject string) (int, error) {
		if strings.HasPrefix(subject, "bad") {
			return 400, nil
		}
		return 202, nil
	})
	b := d.broker(t)
	bad, worse, good := d.event(t, threeHear, "bad-1"), d.event(t, threeHear, "bad-2"), d.event(t, threeHear, "good")
	publish(t, b, bad, worse, good)
	stop := bank.Background(t, b.Run)
	check.UntilCount(t, 0, d.Pool(), countIn, "due")
	stop()
	for _, tt := range []struct {
		name, consumer, id string
		want               int64
	}{
		{"one", "audit-on-event", bad.ID, 1},
		{"one that is due already", "audit-on-event", bad.ID, 0},
		{"one that is done", "audit-on-event", good.ID, 0},
		{"all of an event that are left", "", bad.ID, 2},
		{"a done event", "", good.ID, 0},
		{"a consumer's", "fraud-on-transfer", "", 1},
		{"an unknown event", "", uuid.NewString(), 0},
		{"no id", "", "x' OR true --", 0},
		{"an unknown consumer", "unknown", "", 0},
		{"all that are left", "", "", 2},
		{"none is left", "", "", 0},
	} {
		if got := replay(t, d, tt.consumer, tt.id); got != tt.want {
			t.Errorf("%s: %d replayed, want %d", tt.name, got, tt.want)
		}
	}
	if n := check.Count(t, d.Pool(), `SELECT count(*) FROM delivery WHERE state = 'due' AND attempts = 0 AND due_at <= now()`); n != 6 {
		t.Errorf("%d are due with all their attempts before them, want 6", n)
	}
	if n := check.Count(t, d.Pool(), countIn, "done"); n != 3 {
		t.Errorf("%d are done, want 3", n)
	}
}

// A replayed dead letter has all its attempts again.
func TestReplayedLettersAreDelivered(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	d := newFixture(t, func(string, string) (int, error) {
		if down.Load() {
			return 503, nil
		}
		return 202, nil
	})
	b := d.broker(t)
	b.MaxAttempts = 2
	e := d.event(t, oneHears, "login-1")
	publish(t, b, e)
	bank.Background(t, b.Run)
	check.UntilCount(t, 1, d.Pool(), countIn, "dead")
	if n, err := b.Replay(t.Context(), "", ""); err != nil || n != 1 {
		t.Fatalf("%d replayed, %v", n, err)
	}
	check.UntilCount(t, 1, d.Pool(), countIn, "dead")
	if got := d.deliveries()["audit-on-event login-1"]; got != 4 {
		t.Errorf("delivered %d times, want twice for each life", got)
	}
	down.Store(false)
	if n, err := b.Replay(t.Context(), "audit-on-event", e.ID); err != nil || n != 1 {
		t.Fatalf("%d replayed, %v", n, err)
	}
	check.UntilCount(t, 1, d.Pool(), countIn, "done")
	if diff := cmp.Diff(outcome{"done", 1, ""}, d.outcomes(t, e.ID)["audit-on-event"]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestReplayWithoutADatabase(t *testing.T) {
	t.Parallel()
	d := newFixture(t, taken)
	b := d.broker(t)
	b.DB = pgtest.Broken(t)
	if _, err := b.Replay(t.Context(), "", ""); err == nil {
		t.Error("replayed")
	}
	if _, err := b.List(t.Context(), "", false, 1); err == nil {
		t.Error("listed")
	}
}

// A broker dies while it holds a delivery. No other broker gets the delivery until its
// lease has run out. If the first broker was only slow, its late result changes nothing.
func TestDeliveryOfABrokerThatDies(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]struct {
		status int
		err    error
	}{"taken late": {202, nil}, "fails late": {503, nil}, "refused late": {400, nil}, "breaks late": {0, errors.New("EOF")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFixture(t, taken)
			first, second := d.broker(t), d.broker(t)
			first.Deliver = func(context.Context, string, event) (int, error) { return last.status, last.err }
			stuck := d.event(t, oneHears, "stuck")
			publish(t, first, stuck)
			tries, err := first.Hold(t.Context())
			if err != nil || len(tries) != 1 {
				t.Fatalf("%d claimed, %v", len(tries), err)
			}

			bank.Background(t, second.Run)
			publish(t, second, d.event(t, oneHears, "next"))
			check.UntilCount(t, 1, d.Pool(), countIn, "done")
			if diff := cmp.Diff(map[string]int{"audit-on-event next": 1}, d.deliveries()); diff != "" {
				t.Errorf("under the lease (-want +got):\n%s", diff)
			}
			if n := check.Count(t, d.Pool(), `SELECT count(*) FROM delivery WHERE due_at > now() + interval '15 s'`); n != 0 {
				t.Error("the lease is longer than 15 s")
			}
			check.Exec(t, d.Pool(), `UPDATE delivery SET due_at = now() WHERE event_id = $1`, stuck.ID) // fifteen seconds on
			check.UntilCount(t, 2, d.Pool(), countIn, "done")
			tries[0]()
			if diff := cmp.Diff(outcome{"done", 2, ""}, d.outcomes(t, stuck.ID)["audit-on-event"]); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got := d.deliveries()["audit-on-event stuck"]; got != 1 {
				t.Errorf("the second delivered %d times, want once", got)
			}
		})
	}
}

// A broker that is stopped claims no further delivery, but ends those that it began.
func TestRunDrains(t *testing.T) {
	t.Parallel()
	d := newFixture(t, taken)
	b := d.broker(t)
	const count = 8 // as many as there are workers
	started, free := make(chan struct{}, count), make(chan struct{})
	deliver := b.Deliver
	b.Deliver = func(ctx context.Context, consumer string, e event) (int, error) {
		started <- struct{}{}
		<-free
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return deliver(ctx, consumer, e)
	}
	for range count {
		publish(t, b, d.event(t, oneHears, uuid.NewString()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); b.Run(ctx) }()
	for range count {
		<-started
	}
	cancel()
	select {
	case <-ended:
		t.Error("ended with deliveries at work")
	case <-time.After(100 * time.Millisecond):
	}
	close(free)
	<-ended
	publish(t, b, d.event(t, oneHears, "too late"))
	if held := check.Count(t, d.Pool(), `SELECT count(*) FROM delivery WHERE attempts > 0 AND state <> 'done'`); held != 0 {
		t.Errorf("%d deliveries were taken and not ended", held)
	}
	if d.deliveries()["audit-on-event too late"] != 0 {
		t.Error("delivered after the end")
	}
}

// A broker logs each failure of its database, and goes on.
func TestRunWithoutADatabase(t *testing.T) {
	t.Parallel()
	d := newFixture(t, taken)
	b := d.broker(t)
	b.DB = pgtest.Broken(t)
	stop := bank.Background(t, b.Run)
	check.Until(t, "two failures are logged", func() bool { return strings.Count(d.log.String(), "claim deliveries") >= 2 })
	stop()
}

func TestFaults(t *testing.T) {
	t.Parallel()
	d := newFixture(t, func(_, subject string) (int, error) {
		if subject == "bad" {
			return 400, nil
		}
		return 202, nil
	})
	b := d.broker(t)
	bank.Background(t, b.Run)
	b.Faults.Duplicate.Store(true)
	twice, bad := d.event(t, threeHear, "twice"), d.event(t, oneHears, "bad")
	publish(t, b, twice, bad)
	check.UntilCount(t, 0, d.Pool(), countIn, "due")
	b.Faults.Duplicate.Store(false)

	b.Faults.DelayMS.Store(300)
	start := time.Now()
	publish(t, b, d.event(t, oneHears, "late"))
	check.UntilCount(t, subscribers+1, d.Pool(), countIn, "done")
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("delivered after %v, want 300 ms at least", took)
	}
	b.Faults.DelayMS.Store(0)
	publish(t, b, d.event(t, oneHears, "once"))
	check.UntilCount(t, subscribers+2, d.Pool(), countIn, "done")
	want := map[string]int{
		"audit-on-event twice": 2, "fraud-on-transfer twice": 2, "notify-on-transfer twice": 2, "audit-on-event bad": 2,
		"audit-on-event late": 1, "audit-on-event once": 1,
	}
	if diff := cmp.Diff(want, d.deliveries()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := d.outcomes(t, twice.ID)["audit-on-event"]; got.Attempts != 1 {
		t.Errorf("a duplicate counts as an attempt: %+v", got)
	}
}
