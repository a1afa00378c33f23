// Package broker is the local bank's event broker: it keeps each delivery in
// PostgreSQL until its consumer has taken it.
//
// Publish writes one row for each subscriber; then the broker is responsible for the
// event. Workers lease due rows and deliver them. After a failure they try again,
// with growing, jittered pauses. A delivery that fails for good becomes a dead
// letter, which can be listed and replayed. The broker behaves like Knative's: 2xx is
// success, 400 and 422 are permanent, and it tries again after every other status.
// Tests can make it duplicate and delay deliveries (Faults).
package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/pg"
)

// Deliver hands an event to a consumer and returns its HTTP status.
type Deliver func(ctx context.Context, consumer string, event cloudevents.Event) (status int, err error)

// Broker is a Sink for a relay. It stores the deliveries and carries them out.
type Broker struct {
	DB            *pg.DB
	Log           *slog.Logger
	Subscriptions events.Subscriptions
	Deliver       Deliver
	MaxAttempts   int           // 8 if zero
	Backoff       time.Duration // half of the longest first pause; 200 ms if zero
	Faults        Faults

	wake chan struct{}
	once sync.Once
}

// Faults are the mistakes that a test can order from the broker.
type Faults struct {
	Duplicate atomic.Bool  // deliver each event twice
	DelayMS   atomic.Int64 // wait this long before each delivery
}

const (
	lease        = 15 * time.Second
	claimTimeout = 5 * time.Second // a claim that takes longer has lost its connection
	workers      = 8
	poll         = 250 * time.Millisecond

	sqlEnqueue = `-- delivery.enqueue
INSERT INTO delivery (consumer, event_id, event, state, due_at)
SELECT consumer, event_id, event, 'due', now()
  FROM unnest($1::text[], $2::uuid[], $3::bytea[]) AS t (consumer, event_id, event)
ON CONFLICT DO NOTHING`

	sqlClaim = `-- delivery.claim
UPDATE delivery SET due_at = now() + $1, attempts = attempts + 1
 WHERE (consumer, event_id) IN (
     SELECT consumer, event_id FROM delivery WHERE state = 'due' AND due_at <= now()
      ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING consumer, event_id::text, event, attempts`

	sqlDone = `-- delivery.done
UPDATE delivery SET state = 'done', last_error = '' WHERE consumer = $1 AND event_id = $2`

	sqlFailed = `-- delivery.failed
UPDATE delivery SET state = $3, due_at = now() + $4, last_error = $5
 WHERE consumer = $1 AND event_id = $2 AND state = 'due'`

	sqlReplay = `-- delivery.replay
UPDATE delivery SET state = 'due', attempts = 0, due_at = now()
 WHERE state = 'dead' AND ($1 = '' OR consumer = $1) AND ($2 = '' OR event_id::text = $2)`
)

func (b *Broker) signal() chan struct{} {
	b.once.Do(func() { b.wake = make(chan struct{}, 1) })
	return b.wake
}

// Publish stores a delivery of each event for each subscriber. When it returns nil,
// every subscriber will get the events.
func (b *Broker) Publish(ctx context.Context, batch []cloudevents.Event) error {
	var consumers, ids []string
	var bodies [][]byte
	for _, e := range batch {
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("broker: %w", err)
		}
		for _, consumer := range b.Subscriptions.Consumers(e.Type()) {
			consumers, ids, bodies = append(consumers, consumer), append(ids, e.ID()), append(bodies, body)
		}
	}
	if _, err := b.DB.Pool().Exec(ctx, sqlEnqueue, consumers, ids, bodies); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	select {
	case b.signal() <- struct{}{}:
	default:
	}
	return nil
}

// Run delivers until ctx ends, and then waits for the deliveries that have begun.
func (b *Broker) Run(ctx context.Context) {
	slots := make(chan struct{}, workers)
	var wait sync.WaitGroup
	defer wait.Wait()
	for ctx.Err() == nil {
		// Claim only as many as can run at once: the lease of a waiting delivery would run out.
		slots <- struct{}{}
		free := 1
		for free < workers && len(slots) < workers {
			slots <- struct{}{}
			free++
		}
		claimed, err := b.claim(context.WithoutCancel(ctx), free) // a leased delivery is carried out even if ctx ends
		if err != nil && ctx.Err() == nil {
			b.Log.WarnContext(ctx, "broker", slog.Any("cause", err))
		}
		for range free - len(claimed) {
			<-slots
		}
		for _, d := range claimed {
			wait.Go(func() {
				defer func() { <-slots }()
				b.try(context.WithoutCancel(ctx), d)
			})
		}
		if len(claimed) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-b.signal():
		case <-time.After(poll):
		}
	}
}

type delivery struct {
	Consumer string
	EventID  string
	Event    []byte
	Attempts int
}

func (b *Broker) claim(ctx context.Context, most int) ([]delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	rows, err := b.DB.Pool().Query(ctx, sqlClaim, lease, most)
	if err != nil {
		return nil, fmt.Errorf("claim deliveries: %w", err)
	}
	claimed, err := pgx.CollectRows(rows, pgx.RowToStructByPos[delivery])
	if err != nil {
		return nil, fmt.Errorf("claim deliveries: %w", err)
	}
	return claimed, nil
}

var errStatus = errors.New("answered")

func (b *Broker) try(ctx context.Context, d delivery) {
	ctx, cancel := context.WithTimeout(ctx, lease)
	defer cancel()
	if ms := b.Faults.DelayMS.Load(); ms > 0 {
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	status, err := b.send(ctx, d)
	if err == nil && b.Faults.Duplicate.Load() {
		status, err = b.send(ctx, d)
	}
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%w %d", errStatus, status)
	}
	if err == nil {
		_, err = b.DB.Pool().Exec(ctx, sqlDone, d.Consumer, d.EventID)
	} else {
		_, err = b.DB.Pool().Exec(ctx, sqlFailed, d.Consumer, d.EventID, b.verdict(d, status), b.pause(d.Attempts), err.Error())
	}
	if err != nil { // the lease runs out, and the broker delivers the event again
		b.Log.WarnContext(ctx, "broker", slog.Any("cause", err))
	}
}

func (b *Broker) send(ctx context.Context, d delivery) (int, error) {
	var e cloudevents.Event
	if err := json.Unmarshal(d.Event, &e); err != nil {
		return http.StatusBadRequest, nil //nolint:nilerr // the event can never be delivered: the row becomes a dead letter
	}
	return b.Deliver(ctx, d.Consumer, e)
}

func (b *Broker) verdict(d delivery, status int) string {
	most := b.MaxAttempts
	if most == 0 {
		most = 8
	}
	if status == http.StatusBadRequest || status == http.StatusUnprocessableEntity || d.Attempts >= most {
		return "dead"
	}
	return "due"
}

// pause doubles with each attempt, up to a minute. It is shortened by a random part
// of up to a half.
func (b *Broker) pause(attempts int) time.Duration {
	base := b.Backoff
	if base == 0 {
		base = 200 * time.Millisecond
	}
	full := min(base<<min(attempts, 12), time.Minute)
	return full - time.Duration(rand.Int64N(int64(full)/2+1)) //nolint:gosec // jitter, not a secret
}

// Replay makes dead letters due again and returns their number. An empty consumer
// means every consumer, an empty eventID every event.
func (b *Broker) Replay(ctx context.Context, consumer, eventID string) (int64, error) {
	tag, err := b.DB.Pool().Exec(ctx, sqlReplay, consumer, eventID)
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	select {
	case b.signal() <- struct{}{}:
	default:
	}
	return tag.RowsAffected(), nil
}
