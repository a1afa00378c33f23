package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

// subscriptions is a table like the bank's: three types, up to three consumers each.
var subscriptions = events.Subscriptions{
	{Consumer: "notify-on-transfer", Types: []string{events.TypeTransferPosted}},
	{Consumer: "notify-on-otp", Types: []string{events.TypeOTPIssued}},
	{Consumer: "fraud-on-transfer", Types: []string{events.TypeTransferPosted}},
	{Consumer: "audit-on-event", Types: events.Types()},
}

// fixture is a database and its consumers, whose answer depends on the event's subject.
// It counts what each consumer was given.
type fixture struct {
	*pg.DB
	ring *keys.Ring
	log  *bank.Log

	mu     sync.Mutex
	given  map[string]int // "consumer subject" to deliveries
	events map[string]cloudevent.Event
	answer func(consumer, subject string) (status int, err error)
}

func newFixture(t *testing.T, answer func(consumer, subject string) (int, error)) *fixture {
	t.Helper()
	return &fixture{
		DB: pgtest.New(t), ring: keytest.New(t), log: &bank.Log{}, given: map[string]int{}, events: map[string]event{}, answer: answer,
	}
}

type event = cloudevent.Event

func taken(string, string) (int, error) { return 202, nil }

// broker is a broker with the shortest pauses.
func (d *fixture) broker(t *testing.T) *broker.Broker {
	t.Helper()
	return &broker.Broker{
		DB: d.DB, Log: slog.New(slog.NewTextHandler(d.log, nil)), Subscriptions: subscriptions, Backoff: time.Nanosecond,
		Deliver: func(_ context.Context, consumer string, e cloudevent.Event) (int, error) {
			d.mu.Lock()
			d.given[consumer+" "+e.Subject]++
			d.events[e.ID] = e
			d.mu.Unlock()
			return d.answer(consumer, e.Subject)
		},
	}
}

func (d *fixture) deliveries() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.given)
}

// event is an authenticated event of a type. Its subject says what the consumers answer.
func (d *fixture) event(t *testing.T, kind, subject string) cloudevent.Event {
	t.Helper()
	id, err := uuid.NewV7()
	check.Must(t, err)
	e, err := events.Stored{
		ID: id.String(), Type: kind, Subject: subject, CustomerHash: "c0ffee", Data: []byte(`{"amount_fen":1}`),
		Traceparent: "00-00000000000000000000000000000001-0000000000000002-01", CreatedAt: time.Now().Truncate(time.Microsecond).UTC(),
	}.CloudEvent(d.ring)
	check.Must(t, err)
	return e
}

func publish(t *testing.T, b *broker.Broker, batch ...cloudevent.Event) {
	t.Helper()
	check.Must(t, errors.Join(b.Publish(t.Context(), batch)...))
}

const (
	countIn    = `SELECT count(*) FROM delivery WHERE state = $1`
	countTried = `SELECT count(*) FROM delivery WHERE event_id = $1 AND attempts = $2 AND last_error <> ''`
)

// outcome is the state of a delivery.
type outcome struct {
	State     string `json:"state"`
	Attempts  int    `json:"attempts"`
	LastError string `json:"last_error"`
}

// outcomes are those of an event's deliveries, by consumer.
func (d *fixture) outcomes(t *testing.T, id string) map[string]outcome {
	t.Helper()
	return check.Value[map[string]outcome](t, d.Pool(), `
SELECT json_object_agg(consumer, json_build_object('state', state, 'attempts', attempts, 'last_error', last_error))
  FROM delivery WHERE event_id = $1`, id)
}
