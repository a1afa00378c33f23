package relay_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// die ends the relay's goroutine at once, as a crash would.
func die() { runtime.Goexit() }

// crash lets a relay with this lease die after the sink has taken its batch.
func (d fixture) crash(lease time.Duration) *sink {
	s := &sink{after: die}
	r := d.relay(s)
	r.Lease = lease
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = r.Once(context.Background(), events.LaneEvents)
	}()
	<-ended
	return s
}

// A relay that dies between publishing and marking leaves a lease. No other relay gets
// the events while the lease lasts.
func TestALeaseHoldsAfterACrash(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 4)
	if s := d.crash(time.Hour); len(s.times()) != 4 || check.Count(t, d.Pool(), countWaiting) != 4 {
		t.Fatalf("the first relay published %v, and %d wait", s.times(), check.Count(t, d.Pool(), countWaiting))
	}
	second := &sink{}
	once(t, d.relay(second), 0)
	check.Exec(t, d.Pool(), `UPDATE outbox SET next_at = now() WHERE id = $1`, ids[2]) // an hour on, for one of them
	once(t, d.relay(second), 1)
	if diff := cmp.Diff([][]string{{ids[2]}}, second.ids()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The events are published again when the lease has run out: at least once.
func TestACrashPublishesAgain(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.fill(t, 4)
	first := d.crash(50 * time.Millisecond)
	second := &sink{}
	bank.Background(t, d.relay(second).Run)
	check.UntilCount(t, 0, d.Pool(), countWaiting)
	if diff := cmp.Diff(first.ids(), second.ids()); diff != "" {
		t.Errorf("published again is not what was published (-first +again):\n%s", diff)
	}
}

// The default lease is longer than any batch takes, and not endless.
func TestTheLeaseIsTenSecondsUnlessTold(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.fill(t, 1)
	d.crash(0)
	var left time.Duration
	err := d.Pool().QueryRow(t.Context(), `SELECT next_at - created_at FROM outbox`).Scan(&left)
	if err != nil || left < 10*time.Second {
		t.Errorf("leased for %v (%v), want 10 s", left, err)
	}
	if n := check.Count(t, d.Pool(), `SELECT count(*) FROM outbox WHERE next_at < now() + interval '10.001 s'`); n != 1 {
		t.Errorf("leased for more than 10 s")
	}
}

// Two relays share the outbox. The other relay goes on while one waits for its sink, and
// no event is published by both.
func TestTwoRelaysShare(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 300)
	arrived := [2]chan struct{}{make(chan struct{}, 300), make(chan struct{}, 300)}
	var both [2]*sink
	for i := range both {
		var held atomic.Bool
		both[i] = &sink{before: func([]event) error {
			arrived[i] <- struct{}{}
			if held.Swap(true) {
				return nil
			}
			select { // the first batch waits for the other relay's
			case <-arrived[1-i]:
				return nil
			case <-time.After(20 * time.Second):
				t.Error("the other relay got nothing")
				return errors.New("no other relay")
			}
		}}
		r := d.relay(both[i])
		r.Batch = 20
		bank.Background(t, r.Run)
	}
	check.UntilCount(t, 0, d.Pool(), countWaiting)
	got := both[0].times()
	for id, n := range both[1].times() {
		got[id] += n
	}
	want := map[string]int{}
	for _, id := range ids {
		want[id] = 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("not each was published once (-want +got):\n%s", diff)
	}
}

// A relay skips rows that another transaction has locked, and does not wait for them.
func TestLockedRowsAreSkipped(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 3)
	tx, err := d.Pool().Begin(t.Context())
	check.Must(t, err)
	check.Exec(t, tx, `SELECT 1 FROM outbox WHERE id = $1 FOR UPDATE`, ids[0])
	s := &sink{}
	once(t, d.relay(s), 2)
	check.Must(t, tx.Rollback(t.Context()))
	once(t, d.relay(s), 1)
	if diff := cmp.Diff([][]string{ids[1:], ids[:1]}, s.ids()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// kill ends the sessions that run a query like this one, and returns their number.
func (d fixture) kill(t *testing.T, like string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), d.url)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close(context.Background())
	err = conn.QueryRow(context.Background(), `
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE $1`, like).Scan(&n)
	if err != nil {
		t.Error(err)
	}
	return n
}

// All connections break just after the sink took a batch. A batch that can't be marked on
// a new connection is published again: at least once, and no event is lost.
func TestConnectionsBreakBeforeTheMark(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 30)
	var broken atomic.Bool
	s := &sink{after: func() {
		if !broken.Swap(true) {
			if d.kill(t, "%") == 0 {
				t.Error("there was no connection to break")
			}
		}
	}}
	r := d.relay(s)
	r.Batch, r.Lease = 10, 100*time.Millisecond
	bank.Background(t, r.Run)
	check.Until(t, "all events are published", func() bool {
		var waiting int
		err := d.Pool().QueryRow(t.Context(), countWaiting).Scan(&waiting) // fails while connections break
		return err == nil && waiting == 0
	})
	got := s.times()
	for _, id := range ids {
		if got[id] == 0 {
			t.Errorf("%s was lost", id)
		}
	}
	if len(got) != len(ids) {
		t.Errorf("%d events, want %d", len(got), len(ids))
	}
}
