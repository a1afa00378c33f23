// Package broker is the bank's own event broker: it keeps each delivery in PostgreSQL
// until its consumer has taken it. The local bank runs it, and the worker events-relay
// where the platform has no broker (OpenFaaS).
//
// Publish writes one row for each subscriber; then the broker is responsible for the
// event. Workers lease due rows and deliver them. After a failure they try again,
// with growing, jittered pauses. A delivery that fails for good becomes a dead
// letter, which can be listed and replayed. The broker behaves like Knative's: 2xx is
// success, 400, 413 and 422 are permanent, and it tries again after every other
// status. Each lane (events.Lane) has its own workers, so deliveries that wait or hang
// do not delay codes. Tests can make it duplicate and delay deliveries (Faults).
package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/pg"
)

// Deliver hands an event to a consumer and returns its HTTP status.
type Deliver func(ctx context.Context, consumer string, event cloudevent.Event) (status int, err error)

// Broker is a Sink for a relay. It stores the deliveries and carries them out.
type Broker struct {
	DB            *pg.DB
	Log           *slog.Logger
	Subscriptions events.Subscriptions
	Deliver       Deliver
	MaxAttempts   int           // 8 if zero
	Backoff       time.Duration // half of the longest first pause; 200 ms if zero
	Faults        Faults

	wake map[events.Lane]chan struct{}
	once sync.Once
}

// Faults are the mistakes that a test can order from the broker.
type Faults struct {
	Duplicate atomic.Bool  // deliver each event twice
	DelayMS   atomic.Int64 // wait this long before each delivery
}

const (
	lease   = 15 * time.Second
	answer  = 10 * time.Second // a consumer must answer; the rest of the lease is for settling
	settle  = 5 * time.Second  // bounds each statement
	workers = 8                // of each lane
	poll    = 250 * time.Millisecond

	sqlEnqueue = `-- delivery.enqueue
INSERT INTO delivery (consumer, event_id, event, lane, state, due_at)
SELECT consumer, event_id, event, lane, 'due', now()
  FROM unnest($1::text[], $2::uuid[], $3::bytea[], $4::text[]) AS t (consumer, event_id, event, lane)
ON CONFLICT DO NOTHING`

	sqlClaim = `-- delivery.claim
UPDATE delivery SET due_at = now() + $1, attempts = attempts + 1
 WHERE (consumer, event_id) IN (
     SELECT consumer, event_id FROM delivery WHERE state = 'due' AND lane = $3 AND due_at <= now()
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

// signal returns the channel that wakes the workers of a lane.
func (b *Broker) signal(lane events.Lane) chan struct{} {
	b.once.Do(func() {
		b.wake = map[events.Lane]chan struct{}{}
		for _, lane := range events.Lanes() {
			b.wake[lane] = make(chan struct{}, 1)
		}
	})
	return b.wake[lane]
}

func (b *Broker) wakeAll() {
	for _, lane := range events.Lanes() {
		select {
		case b.signal(lane) <- struct{}{}:
		default:
		}
	}
}

// Publish stores a delivery of each event for each subscriber. An event whose result
// is nil will come to every subscriber.
func (b *Broker) Publish(ctx context.Context, batch []cloudevent.Event) []error {
	results := make([]error, len(batch))
	var consumers, ids, lanes []string
	var bodies [][]byte
	for i, e := range batch {
		body, err := json.Marshal(e)
		if err == nil {
			_, err = uuid.Parse(e.ID)
		}
		if err != nil {
			results[i] = fmt.Errorf("%w: %w", events.ErrRefused, err)
			continue
		}
		for _, consumer := range b.Subscriptions.Consumers(e.Type) {
			consumers, ids, bodies = append(consumers, consumer), append(ids, e.ID), append(bodies, body)
			lanes = append(lanes, string(b.Subscriptions.Lane(consumer)))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	if _, err := b.DB.Pool().Exec(ctx, sqlEnqueue, consumers, ids, bodies, lanes); err != nil {
		for i := range results {
			if results[i] == nil {
				results[i] = fmt.Errorf("broker: %w", err)
			}
		}
		return results
	}
	b.wakeAll()
	return results
}

// Run delivers until ctx ends, and then waits for the deliveries that have begun.
func (b *Broker) Run(ctx context.Context) {
	var lanes sync.WaitGroup
	for _, lane := range events.Lanes() {
		lanes.Go(func() { b.run(ctx, lane) })
	}
	lanes.Wait()
}

func (b *Broker) run(ctx context.Context, lane events.Lane) {
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
		claimed, err := b.claim(context.WithoutCancel(ctx), lane, free) // a leased delivery is carried out even if ctx ends
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
		case <-b.signal(lane):
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

func (b *Broker) claim(ctx context.Context, lane events.Lane, most int) ([]delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	rows, err := b.DB.Pool().Query(ctx, sqlClaim, lease, most, string(lane))
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
	ctx, cancel := context.WithTimeout(ctx, settle) // its own: the consumer may have used up its time
	defer cancel()
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
	var e cloudevent.Event
	if err := json.Unmarshal(d.Event, &e); err != nil {
		return http.StatusBadRequest, nil //nolint:nilerr // the event can never be delivered: the row becomes a dead letter
	}
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	return b.Deliver(ctx, d.Consumer, e)
}

func (b *Broker) verdict(d delivery, status int) string {
	most := b.MaxAttempts
	if most == 0 {
		most = 8
	}
	if events.Permanent(status) || d.Attempts >= most {
		return "dead"
	}
	return "due"
}

// pause is the time after so many attempts.
func (b *Broker) pause(attempts int) time.Duration {
	base := b.Backoff
	if base == 0 {
		base = 200 * time.Millisecond
	}
	return events.Pause(base, time.Minute, attempts)
}

// Replay makes dead letters due again and returns their number. An empty consumer
// means every consumer, an empty eventID every event.
func (b *Broker) Replay(ctx context.Context, consumer, eventID string) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	err = b.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		n, err = ReplayDead(ctx, tx, consumer, eventID)
		return err
	})
	if err == nil {
		b.wakeAll()
	}
	return n, err
}

// ReplayDead is Replay inside the caller's transaction. The workers find the deliveries
// after its commit.
func ReplayDead(ctx context.Context, tx pg.Tx, consumer, eventID string) (int64, error) {
	tag, err := tx.Exec(ctx, sqlReplay, consumer, eventID)
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	return tag.RowsAffected(), nil
}
