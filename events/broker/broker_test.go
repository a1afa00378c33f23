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

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
)

const (
	oneHears    = events.TypeIdentityLoggedIn
	threeHear   = events.TypeTransferPosted
	subscribers = 3
)

func TestEverySubscriberGetsTheEventAsItWasPublished(t *testing.T) {
	t.Parallel()
	d := newDesk(t, taken)
	b := d.broker(t)
	transfer, login := d.event(t, threeHear, "transfer-1"), d.event(t, oneHears, "login-1")
	publish(t, b, transfer, login, d.event(t, "com.tidebank.other.v1", "nobody hears it"))
	publish(t, b, transfer) // by a relay that could not mark it
	bank.Background(t, b.Run)
	d.until(t, subscribers+1, countIn, "done")
	publish(t, b, transfer, transfer) // late, and twice
	done := standing{State: "done", Attempts: 1}
	want := map[string]standing{"notify-on-transfer": done, "fraud-on-transfer": done, "audit-on-event": done}
	if diff := cmp.Diff(want, d.standing(t, transfer.ID())); diff != "" {
		t.Errorf("the transfer's deliveries (-want +got):\n%s", diff)
	}
	publish(t, b, d.event(t, oneHears, "login-2"))
	d.until(t, subscribers+2, countIn, "done")
	wantGiven := map[string]int{
		"notify-on-transfer transfer-1": 1, "fraud-on-transfer transfer-1": 1, "audit-on-event transfer-1": 1,
		"audit-on-event login-1": 1, "audit-on-event login-2": 1,
	}
	if diff := cmp.Diff(wantGiven, d.deliveries()); diff != "" {
		t.Errorf("given (-want +got):\n%s", diff)
	}
	arrived := d.events[transfer.ID()]
	if diff := cmp.Diff(transfer.String(), arrived.String()); diff != "" {
		t.Errorf("the event changed on its way (-published +delivered):\n%s", diff)
	}
	if err := events.Verify(d.ring, arrived); err != nil {
		t.Error(err)
	}
}

// The answers decide: taken, refused for good, or to be tried again.
func TestAnswers(t *testing.T) {
	t.Parallel()
	gone := errors.New("connection refused")
	for _, most := range []int{0, 3} {
		d := newDesk(t, func(_, subject string) (int, error) {
			if status, err := strconv.Atoi(subject); err == nil {
				return status, nil
			}
			return 0, gone
		})
		b := d.broker(t)
		b.MaxAttempts = most
		tries := map[int]int{0: 8, 3: 3}[most]
		want := map[string]standing{"gone": {"dead", tries, gone.Error()}}
		for _, status := range []int{200, 202, 204, 299} {
			want[strconv.Itoa(status)] = standing{"done", 1, ""}
		}
		for _, status := range []int{400, 422} {
			want[strconv.Itoa(status)] = standing{"dead", 1, fmt.Sprintf("answered %d", status)}
		}
		for _, status := range []int{0, 101, 199, 302, 401, 404, 408, 409, 429, 500, 503} {
			want[strconv.Itoa(status)] = standing{"dead", tries, fmt.Sprintf("answered %d", status)}
		}
		var batch []cloudevents.Event
		for subject := range want {
			batch = append(batch, d.event(t, oneHears, subject))
		}
		publish(t, b, batch...)
		bank.Background(t, b.Run)
		d.until(t, 0, countIn, "due")
		got, given := map[string]standing{}, map[string]int{}
		for _, e := range batch {
			got[e.Subject()] = d.standing(t, e.ID())["audit-on-event"]
			given["audit-on-event "+e.Subject()] = got[e.Subject()].Attempts
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("at most %d (-want +got):\n%s", most, diff)
		}
		if diff := cmp.Diff(given, d.deliveries()); diff != "" {
			t.Errorf("attempts counted and made differ (-counted +made):\n%s", diff)
		}
	}
}

// One consumer's failure is nothing to the others.
func TestAConsumerFailsAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(consumer, _ string) (int, error) {
		if consumer == "fraud-on-transfer" {
			return 400, nil
		}
		return 202, nil
	})
	b := d.broker(t)
	e := d.event(t, threeHear, "transfer-1")
	publish(t, b, e)
	bank.Background(t, b.Run)
	d.until(t, 0, countIn, "due")
	want := map[string]standing{
		"notify-on-transfer": {"done", 1, ""}, "audit-on-event": {"done", 1, ""}, "fraud-on-transfer": {"dead", 1, "answered 400"},
	}
	if diff := cmp.Diff(want, d.standing(t, e.ID())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What is taken after failures is done, and keeps no error.
func TestATriedDeliverySucceeds(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	d := newDesk(t, func(string, string) (int, error) {
		if tries.Add(1) < 4 {
			return 503, nil
		}
		return 202, nil
	})
	b := d.broker(t)
	e := d.event(t, oneHears, "login-1")
	publish(t, b, e)
	bank.Background(t, b.Run)
	d.until(t, 1, countIn, "done")
	if diff := cmp.Diff(standing{"done", 4, ""}, d.standing(t, e.ID())["audit-on-event"]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// After each failure the next attempt is due later than the last pause could
// have been at its shortest; how long it is at most is TestPause's.
func TestPausesGrow(t *testing.T) {
	t.Parallel()
	var d *desk
	var tried atomic.Pointer[time.Time]
	d = newDesk(t, func(string, string) (int, error) {
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
		d.until(t, 1, countTried, e.ID(), attempt)
		var due time.Time
		if err := d.Pool().QueryRow(t.Context(), `SELECT due_at FROM delivery`).Scan(&due); err != nil {
			t.Fatal(err)
		}
		if pause := due.Sub(*tried.Load()); pause < shortest {
			t.Errorf("attempt %d is followed by a pause of %v, want %v at least", attempt, pause, shortest)
		}
		d.exec(t, `UPDATE delivery SET due_at = now(), last_error = ''`)
	}
}

// Whatever was published before a broker starts, or by another, is found.
func TestManyBrokersDeliverEachOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, taken)
	const brokers, batches, size = 4, 6, 40
	want := map[string]int{}
	var publishers sync.WaitGroup
	for n := range brokers {
		b := d.broker(t)
		bank.Background(t, b.Run)
		for i := range batches {
			var batch []cloudevents.Event
			for j := range size {
				subject := fmt.Sprintf("%d/%d/%d", n, i, j)
				batch = append(batch, d.event(t, threeHear, subject))
				for _, consumer := range []string{"notify-on-transfer", "fraud-on-transfer", "audit-on-event"} {
					want[consumer+" "+subject] = 1
				}
			}
			publishers.Go(func() {
				if err := b.Publish(t.Context(), batch); err != nil {
					t.Error(err)
				}
			})
		}
	}
	publishers.Wait()
	d.until(t, len(want), countIn, "done")
	if diff := cmp.Diff(want, d.deliveries()); diff != "" {
		t.Errorf("given otherwise than once each (-want +got):\n%s", diff)
	}
}

func TestPublishIsAllOrNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t, taken)
	b := d.broker(t)
	bad := d.event(t, oneHears, "no UUID")
	bad.SetID("1")
	if err := b.Publish(t.Context(), []cloudevents.Event{d.event(t, oneHears, "login-1"), bad}); err == nil {
		t.Error("accepted")
	}
	if n := d.int(t, `SELECT count(*) FROM delivery`); n != 0 {
		t.Errorf("%d deliveries were left of a batch that was not accepted", n)
	}
	if err := b.Publish(t.Context(), nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
	b.DB = pgtest.Broken(t)
	if err := b.Publish(t.Context(), []cloudevents.Event{d.event(t, oneHears, "login-1")}); err == nil {
		t.Error("accepted without a database")
	}
}

// What can't be read can't be delivered, ever.
func TestUndecodableEventIsADeadLetter(t *testing.T) {
	t.Parallel()
	d := newDesk(t, taken)
	for _, event := range []string{"x", "", "[]", `{"specversion":"1.0"`} {
		d.exec(t, `INSERT INTO delivery (consumer, event_id, event, state, due_at) VALUES ('audit-on-event', $1, $2, 'due', now())`,
			uuid.New(), []byte(event))
	}
	bank.Background(t, d.broker(t).Run)
	d.until(t, 4, `SELECT count(*) FROM delivery WHERE state = 'dead' AND attempts = 1 AND last_error = 'answered 400'`)
	if got := d.deliveries(); len(got) != 0 {
		t.Errorf("delivered: %v", got)
	}
}
