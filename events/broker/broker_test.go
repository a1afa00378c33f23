package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

const (
	oneHears    = events.TypeIdentityLoggedIn
	threeHear   = events.TypeTransferPosted
	subscribers = 3
)

func TestEverySubscriberGetsTheEventAsItWasPublished(t *testing.T) {
	t.Parallel()
	d := newFixture(t, taken)
	b := d.broker(t)
	transfer, login := d.event(t, threeHear, "transfer-1"), d.event(t, oneHears, "login-1")
	publish(t, b, transfer, login, d.event(t, "com.tidebank.other.v1", "no consumer"))
	publish(t, b, transfer) // by a relay that could not mark it
	bank.Background(t, b.Run)
	check.UntilCount(t, subscribers+1, d.Pool(), countIn, "done")
	publish(t, b, transfer, transfer) // late, and twice
	done := outcome{State: "done", Attempts: 1}
	want := map[string]outcome{"notify-on-transfer": done, "fraud-on-transfer": done, "audit-on-event": done}
	if diff := cmp.Diff(want, d.outcomes(t, transfer.ID)); diff != "" {
		t.Errorf("the transfer's deliveries (-want +got):\n%s", diff)
	}
	publish(t, b, d.event(t, oneHears, "login-2"))
	check.UntilCount(t, subscribers+2, d.Pool(), countIn, "done")
	wantGiven := map[string]int{
		"notify-on-transfer transfer-1": 1, "fraud-on-transfer transfer-1": 1, "audit-on-event transfer-1": 1,
		"audit-on-event login-1": 1, "audit-on-event login-2": 1,
	}
	if diff := cmp.Diff(wantGiven, d.deliveries()); diff != "" {
		t.Errorf("given (-want +got):\n%s", diff)
	}
	arrived := d.events[transfer.ID]
	if diff := cmp.Diff(transfer, arrived); diff != "" {
		t.Errorf("the event changed on its way (-published +delivered):\n%s", diff)
	}
	if err := events.Verify(d.ring, arrived); err != nil {
		t.Error(err)
	}
}

// The answer decides whether a delivery is done, dead, or tried again.
func TestAnswers(t *testing.T) {
	t.Parallel()
	gone := errors.New("connection refused")
	for _, most := range []int{0, 3} {
		d := newFixture(t, func(_, subject string) (int, error) {
			if status, err := strconv.Atoi(subject); err == nil {
				return status, nil
			}
			return 0, gone
		})
		b := d.broker(t)
		b.MaxAttempts = most
		tries := map[int]int{0: 8, 3: 3}[most]
		want := map[string]outcome{"gone": {"dead", tries, gone.Error()}}
		for _, status := range []int{200, 202, 204, 299} {
			want[strconv.Itoa(status)] = outcome{"done", 1, ""}
		}
		for _, status := range []int{400, 413, 422} {
			want[strconv.Itoa(status)] = outcome{"dead", 1, fmt.Sprintf("answered %d", status)}
		}
		for _, status := range []int{0, 101, 199, 302, 401, 404, 408, 409, 429, 500, 503} {
			want[strconv.Itoa(status)] = outcome{"dead", tries, fmt.Sprintf("answered %d", status)}
		}
		var batch []cloudevent.Event
		for subject := range want {
			batch = append(batch, d.event(t, oneHears, subject))
		}
		publish(t, b, batch...)
		bank.Background(t, b.Run)
		check.UntilCount(t, 0, d.Pool(), countIn, "due")
		got, given := map[string]outcome{}, map[string]int{}
		for _, e := range batch {
			got[e.Subject] = d.outcomes(t, e.ID)["audit-on-event"]
			given["audit-on-event "+e.Subject] = got[e.Subject].Attempts
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("at most %d (-want +got):\n%s", most, diff)
		}
		if diff := cmp.Diff(given, d.deliveries()); diff != "" {
			t.Errorf("attempts counted and made differ (-counted +made):\n%s", diff)
		}
	}
}

// The failure of one consumer does not change the deliveries of the others.
func TestAConsumersFailureIsItsOwn(t *testing.T) {
	t.Parallel()
	d := newFixture(t, func(consumer, _ string) (int, error) {
		if consumer == "fraud-on-transfer" {
			return 400, nil
		}
		return 202, nil
	})
	b := d.broker(t)
	e := d.event(t, threeHear, "transfer-1")
	publish(t, b, e)
	bank.Background(t, b.Run)
	check.UntilCount(t, 0, d.Pool(), countIn, "due")
	want := map[string]outcome{
		"notify-on-transfer": {"done", 1, ""}, "audit-on-event": {"done", 1, ""}, "fraud-on-transfer": {"dead", 1, "answered 400"},
	}
	if diff := cmp.Diff(want, d.outcomes(t, e.ID)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A delivery that succeeds after failures is done, and keeps no error.
func TestATriedDeliverySucceeds(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	d := newFixture(t, func(string, string) (int, error) {
		if tries.Add(1) < 4 {
			return 503, nil
		}
		return 202, nil
	})
	b := d.broker(t)
	e := d.event(t, oneHears, "login-1")
	publish(t, b, e)
	bank.Background(t, b.Run)
	check.UntilCount(t, 1, d.Pool(), countIn, "done")
	if diff := cmp.Diff(outcome{"done", 4, ""}, d.outcomes(t, e.ID)["audit-on-event"]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// After each failure, the pause before the next attempt is at least the shortest pause
// of that attempt. TestPause tests the longest.
func TestPausesGrow(t *testing.T) {
	t.Parallel()
	var d *fixture
	var tried atomic.Pointer[time.Time]
	d = newFixture(t, func(string, string) (int, error) {
		var at time.Time // by the clock that due_at is of
		if err := d.Pool().QueryRow(context.Background(), `SELECT clock_timestamp()`).Scan(&at); err != nil {
			t.Error(err)
		}
		tried.Store(&at)
		return 503, nil
	})
	b := d.broker(t)
	b.Backoff = time.Second
	e := d.event(t, oneHears, "login-1")
	publish(t, b, e)
	bank.Background(t, b.Run)
	for attempt, shortest := 1, time.Second; attempt <= 5; attempt, shortest = attempt+1, 2*shortest {
		check.UntilCount(t, 1, d.Pool(), countTried, e.ID, attempt)
		due := check.Value[time.Time](t, d.Pool(), `SELECT due_at FROM delivery`)
		if pause := due.Sub(*tried.Load()); pause < shortest {
			t.Errorf("attempt %d is followed by a pause of %v, want %v at least", attempt, pause, shortest)
		}
		check.Exec(t, d.Pool(), `UPDATE delivery SET due_at = now(), last_error = ''`)
	}
}

// A broker also finds what was published before it started, or by another broker.
func TestManyBrokersDeliverEachOnce(t *testing.T) {
	t.Parallel()
	d := newFixture(t, taken)
	const brokers, batches, size = 4, 6, 40
	want := map[string]int{}
	var publishers sync.WaitGroup
	for n := range brokers {
		b := d.broker(t)
		bank.Background(t, b.Run)
		for i := range batches {
			var batch []cloudevent.Event
			for j := range size {
				subject := fmt.Sprintf("%d/%d/%d", n, i, j)
				batch = append(batch, d.event(t, threeHear, subject))
				for _, consumer := range []string{"notify-on-transfer", "fraud-on-transfer", "audit-on-event"} {
					want[consumer+" "+subject] = 1
				}
			}
			publishers.Go(func() {
				if err := errors.Join(b.Publish(t.Context(), batch)...); err != nil {
					t.Error(err)
				}
			})
		}
	}
	publishers.Wait()
	check.UntilCount(t, len(want), d.Pool(), countIn, "done")
	if diff := cmp.Diff(want, d.deliveries()); diff != "" {
		t.Errorf("given otherwise than once each (-want +got):\n%s", diff)
	}
}

// An event that the broker can't keep is refused alone.
func TestEachPublishedEventHasItsResult(t *testing.T) {
	t.Parallel()
	d := newFixture(t, taken)
	b := d.broker(t)
	bad, good := d.event(t, oneHears, "no UUID"), d.event(t, oneHears, "login-1")
	bad.ID = "1"
	results := b.Publish(t.Context(), []cloudevent.Event{bad, good})
	if len(results) != 2 || !errors.Is(results[0], events.ErrRefused) || results[1] != nil {
		t.Errorf("results %v", results)
	}
	if n := check.Count(t, d.Pool(), `SELECT count(*) FROM delivery`); n != 1 {
		t.Errorf("%d deliveries, want the good event's", n)
	}
	if results := b.Publish(t.Context(), nil); len(results) != 0 {
		t.Errorf("nothing: %v", results)
	}
	b.DB = pgtest.Broken(t)
	results = b.Publish(t.Context(), []cloudevent.Event{bad, good})
	if !errors.Is(results[0], events.ErrRefused) || results[1] == nil || errors.Is(results[1], events.ErrRefused) {
		t.Errorf("without a database: %v", results)
	}
}

// Codes are delivered while every worker of the other lanes hangs, and a backlog waits.
func TestCodesAreDeliveredWhileOthersHang(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	d := newFixture(t, func(consumer, _ string) (int, error) {
		if consumer != "notify-on-otp" {
			<-free
		}
		return 202, nil
	})
	b := d.broker(t)
	var backlog []cloudevent.Event
	for n := range 100 {
		backlog = append(backlog, d.event(t, threeHear, fmt.Sprint("transfer-", n)))
	}
	publish(t, b, backlog...)
	bank.Background(t, b.Run)
	defer close(free)
	check.UntilCount(t, 16, d.Pool(), `SELECT count(*) FROM delivery WHERE attempts > 0`) // of both other lanes
	for n := range 20 {
		publish(t, b, d.event(t, events.TypeOTPIssued, fmt.Sprint("code-", n)))
	}
	check.UntilCount(t, 20, d.Pool(), `SELECT count(*) FROM delivery WHERE consumer = 'notify-on-otp' AND state = 'done'`)
	if n := check.Count(t, d.Pool(), `SELECT count(*) FROM delivery WHERE consumer = 'audit-on-event' AND lane = 'codes'`); n != 0 {
		t.Errorf("%d deliveries to audit are in the lane of codes", n)
	}
}

// A delivery whose event can't be decoded is dead at once.
func TestUndecodableEventIsADeadLetter(t *testing.T) {
	t.Parallel()
	d := newFixture(t, taken)
	for _, event := range []string{"x", "", "[]", `{"specversion":"1.0"`} {
		check.Exec(t, d.Pool(), `
INSERT INTO delivery (consumer, event_id, event, state, due_at) VALUES ('audit-on-event', $1, $2, 'due', now())`,
			uuid.New(), []byte(event))
	}
	bank.Background(t, d.broker(t).Run)
	check.UntilCount(t, 4, d.Pool(), `SELECT count(*) FROM delivery WHERE state = 'dead' AND attempts = 1 AND last_error = 'answered 400'`)
	if got := d.deliveries(); len(got) != 0 {
		t.Errorf("delivered: %v", got)
	}
}
