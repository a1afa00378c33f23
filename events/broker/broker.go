// Package broker is the local bank's event broker: it keeps each delivery in
// PostgreSQL until its consumer has taken it.
//
// Publishing writes one row per subscriber, which is acceptance. Workers lease
// due rows, deliver, and on failure try again after growing, jittered pauses; a
// delivery that fails for good is kept as a dead letter, listed and replayable.
// It behaves like Knative's broker: 2xx is success, 400 and 422 are permanent,
// everything else is tried again. It can be told to duplicate and delay.
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

// Broker is a relay's Sink and its deliveries' keeper.
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

// Faults are what the broker can be told to do wrong.
type Faults struct {
	Duplicate atomic.Bool  // deliver everything twice
	DelayMS   atomic.Int64 // wait this long before each delivery
}

const (
	lease   = 15 * time.Second
	workers = 8
	poll    = 250 * time.Millisecond

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

// Publish accepts a batch: when it returns nil every subscriber will get it.
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

// Run delivers until ctx ends, and waits for the deliveries at work.
func (b *Broker) Run(ctx context.Context) {
	slots := make(chan struct{}, workers)
	var wait sync.WaitGroup
	defer wait.Wait()
	for ctx.Err() == nil {
		// Only as many as can be at work at once: the lease of what waits would run out.
		slots <- struct{}{}
		free := 1
		for free < workers && len(slots) < workers {
			slots <- struct{}{}
			free++
		}
		claimed, err := b.claim(context.WithoutCancel(ctx), free) // what is leased is delivered
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
	ctx, cancel := context.WithTimeout(ctx, lease)
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
	if err != nil { // its lease runs out, and it is delivered again
		b.Log.WarnContext(ctx, "broker", slog.Any("cause", err))
	}
}

func (b *Broker) send(ctx context.Context, d delivery) (int, error) {
	var e cloudevents.Event
	if err := json.Unmarshal(d.Event, &e); err != nil {
		return http.StatusBadRequest, nil //nolint:nilerr // it never can be delivered: a dead letter
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

// pause doubles with each attempt up to a minute, less up to a half by chance.
func (b *Broker) pause(attempts int) time.Duration {
	base := b.Backoff
	if base == 0 {
		base = 200 * time.Millisecond
	}
	full := min(base<<min(attempts, 12), time.Minute)
	return full - time.Duration(rand.Int64N(int64(full)/2+1)) //nolint:gosec // jitter, not a secret
}

// Replay makes dead letters due again: all, a consumer's, or one; it says how
// many.
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
