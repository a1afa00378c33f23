package broker_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
)

// subscriptions is a table like the bank's: three types, up to three consumers each.
var subscriptions = events.Subscriptions{
	{Consumer: "notify-on-transfer", Types: []string{events.TypeTransferPosted}},
	{Consumer: "notify-on-otp", Types: []string{events.TypeOTPIssued}},
	{Consumer: "fraud-on-transfer", Types: []string{events.TypeTransferPosted}},
	{Consumer: "audit-on-event", Types: events.Types()},
}

// desk is a database with consumers that answer what an event's subject says,
// and the keeper of who was given what.
type desk struct {
	*pg.DB
	ring *keys.Ring
	log  *bank.Log

	mu     sync.Mutex
	given  map[string]int // "consumer subject" to deliveries
	events map[string]cloudevents.Event
	answer func(consumer, subject string) (status int, err error)
}

func newDesk(t *testing.T, answer func(consumer, subject string) (int, error)) *desk {
	t.Helper()
	ring, err := keys.NewTestRing()
	if err != nil {
		t.Fatal(err)
	}
	return &desk{
		DB: pgtest.New(t), ring: ring, log: &bank.Log{}, given: map[string]int{}, events: map[string]cloudevents.Event{}, answer: answer,
	}
}

type event = cloudevents.Event

func taken(string, string) (int, error) { return 202, nil }

// broker makes one whose pauses are as short as they can be.
func (d *desk) broker(t *testing.T) *broker.Broker {
	t.Helper()
	return &broker.Broker{
		DB: d.DB, Log: slog.New(slog.NewTextHandler(d.log, nil)), Subscriptions: subscriptions, Backoff: time.Nanosecond,
		Deliver: func(_ context.Context, consumer string, e cloudevents.Event) (int, error) {
			d.mu.Lock()
			d.given[consumer+" "+e.Subject()]++
			d.events[e.ID()] = e
			d.mu.Unlock()
			return d.answer(consumer, e.Subject())
		},
	}
}

func (d *desk) deliveries() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.given)
}

// event makes a sealed event of a type whose subject is what the test wants of
// it; loggedin has one consumer, transfer.posted three.
func (d *desk) event(t *testing.T, kind, subject string) cloudevents.Event {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	e, err := events.Stored{
		ID: id.String(), Type: kind, Subject: subject, CustomerHash: "c0ffee", Data: []byte(`{"amount_fen":1}`),
		Traceparent: "00-00000000000000000000000000000001-0000000000000002-01", CreatedAt: time.Now().Truncate(time.Microsecond).UTC(),
	}.CloudEvent(d.ring)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func publish(t *testing.T, b *broker.Broker, batch ...cloudevents.Event) {
	t.Helper()
	if err := b.Publish(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// until polls a count until it is what is wanted.
func (d *desk) until(t *testing.T, want int, sql string, args ...any) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got := d.int(t, sql, args...)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d, want %d: %s %v", got, want, sql, args)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (d *desk) int(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	if err := d.Pool().QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (d *desk) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := d.Pool().Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

const (
	countIn    = `SELECT count(*) FROM delivery WHERE state = $1`
	countTried = `SELECT count(*) FROM delivery WHERE event_id = $1 AND attempts = $2 AND last_error <> ''`
)

// standing is where an event's deliveries are, by consumer.
type standing struct {
	State     string `json:"state"`
	Attempts  int    `json:"attempts"`
	LastError string `json:"last_error"`
}

func (d *desk) standing(t *testing.T, id string) map[string]standing {
	t.Helper()
	var raw []byte
	err := d.Pool().QueryRow(t.Context(), `
SELECT json_object_agg(consumer, json_build_object('state', state, 'attempts', attempts, 'last_error', last_error))
  FROM delivery WHERE event_id = $1`, id).Scan(&raw)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]standing
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	return got
}
