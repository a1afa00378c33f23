package relay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// refusing is a sink whose receiver refuses some events for good.
func refusing(ids ...string) *sink {
	return &sink{each: func(_ context.Context, e event) error {
		if slices.Contains(ids, e.ID) {
			return fmt.Errorf("%w: answered 413", events.ErrRefused)
		}
		return nil
	}}
}

// wantAside checks which events are set aside, and returns them.
func (d fixture) wantAside(t *testing.T, ids ...string) []events.Aside {
	t.Helper()
	list, err := events.ListAside(t.Context(), d.DB, 10)
	check.Must(t, err)
	var got []string
	for _, e := range list {
		got = append(got, e.ID)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Fatalf("set aside (-want +got):\n%s", diff)
	}
	return list
}

// An event that its receiver refuses is set aside after three attempts. Its neighbours
// are published meanwhile, once each.
func TestARefusedEventIsSetAsideAndItsNeighboursGoOn(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 100)
	s := refusing(ids[0], ids[50])
	bank.Background(t, d.relay(s).Run)
	check.UntilCount(t, 98, d.Pool(), `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
	check.UntilCount(t, 2, d.Pool(), `SELECT count(*) FROM outbox WHERE set_aside_at IS NOT NULL`)
	for id, n := range s.times() {
		if n != 1 {
			t.Errorf("%s was published %d times", id, n)
		}
	}
	for _, got := range d.wantAside(t, ids[0], ids[50]) {
		if got.Attempts != 3 || got.Type != events.TypeTransferPosted ||
			got.Reason != "the receiver refuses the event: answered 413" {
			t.Errorf("set aside: %+v", got)
		}
	}
	if n := strings.Count(d.log.String(), "event set aside"); n != 2 {
		t.Errorf("the log tells %d events set aside, want 2", n)
	}
	// An operator lets one be tried again.
	s.mu.Lock()
	s.each = nil
	s.mu.Unlock()
	check.Must(t, d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		n, err := events.ReplayAside(ctx, tx, ids[50])
		if n != 1 {
			t.Errorf("%d replayed, want 1", n)
		}
		return err
	}))
	check.UntilCount(t, 99, d.Pool(), `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
	d.wantAside(t, ids[0])
}

// A receiver that never answers for an event delays only this event.
func TestAnEventWithoutAnAnswerDelaysNoOther(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 30)
	s := &sink{each: func(ctx context.Context, e event) error {
		if e.ID == ids[0] {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}
	r := d.relay(s)
	r.Lease, r.Batch = 200*time.Millisecond, 10
	bank.Background(t, r.Run)
	check.UntilCount(t, 29, d.Pool(), `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
	d.one(t)
	check.UntilCount(t, 30, d.Pool(), `SELECT count(*) FROM outbox WHERE published_at IS NOT NULL`)
	check.UntilCount(t, 1, d.Pool(), `SELECT count(*) FROM outbox WHERE attempts > 0 AND set_aside_at IS NULL AND id = $1`, ids[0])
}

// An outage of the sink sets nothing aside, unless an event has failed for a day.
func TestAnOutageSetsNothingAside(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 3)
	check.Exec(t, d.Pool(), `UPDATE outbox SET created_at = now() - interval '25 hours' WHERE id = $1`, ids[1])
	r := d.relay(&sink{before: func([]event) error { return errors.New("sink is down") }})
	for range 5 {
		if _, err := r.Once(t.Context(), events.LaneEvents); err == nil {
			t.Error("no error")
		}
	}
	if got := d.wantAside(t, ids[1]); got[0].Reason != "sink is down" {
		t.Errorf("set aside: %+v", got)
	}
	if n := check.Count(t, d.Pool(), `SELECT count(*) FROM outbox WHERE attempts = 5 AND set_aside_at IS NULL`); n != 2 {
		t.Errorf("%d events have counted five attempts, want 2", n)
	}
}

// A row of which no CloudEvent can be made is set aside at once.
func TestARowThatIsNoEventIsSetAside(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 3)
	check.Exec(t, d.Pool(), `UPDATE outbox SET type = '' WHERE id = $1`, ids[1])
	s := &sink{}
	once(t, d.relay(s), 2)
	if diff := cmp.Diff([][]string{{ids[0], ids[2]}}, s.ids()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := d.wantAside(t, ids[1]); got[0].Attempts != 1 {
		t.Errorf("set aside: %+v", got)
	}
}

// The time that the sink did not use for an event counts no attempt.
func TestAnEventThatWasNotTriedIsReleased(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ids := d.fill(t, 2)
	s := &sink{each: func(_ context.Context, e event) error {
		if e.ID == ids[1] {
			return events.ErrNotTried
		}
		return nil
	}}
	once(t, d.relay(s), 1)
	const free = `SELECT count(*) FROM outbox WHERE attempts = 0 AND published_at IS NULL AND next_at <= now()`
	if n := check.Count(t, d.Pool(), free); n != 1 {
		t.Error("the event was not released, or an attempt was counted")
	}
}

// Codes do not wait for events: neither for a backlog, nor for a sink that holds every
// event.
func TestCodesHaveALaneOfTheirOwn(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.fill(t, 2000)
	s := &sink{each: func(ctx context.Context, e event) error {
		if e.Type == events.TypeOTPIssued {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	r := d.relay(s)
	r.Batch, r.Lease = 1, time.Minute
	bank.Background(t, r.Run)
	check.UntilCount(t, 8, d.Pool(), countLeased) // all that may be under way
	for range 5 {
		check.Exec(t, d.Pool(), `INSERT INTO outbox (id, type, subject, customerhash, data, lane)
VALUES (gen_random_uuid(), $1, '', '', '{}', 'codes')`, events.TypeOTPIssued)
	}
	check.UntilCount(t, 5, d.Pool(), `SELECT count(*) FROM outbox WHERE lane = 'codes' AND published_at IS NOT NULL`)
}
