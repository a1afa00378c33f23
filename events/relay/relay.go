// Package relay publishes events from the outbox to the configured sink, at least
// once and soon after the commit.
//
// Each lane of the outbox (events.Lane) has its own loop, so a backlog of events does
// not delay codes. A loop leases a batch of waiting rows and publishes it, while up to
// seven earlier batches are still under way. Each event is settled by itself. If the
// sink has taken it, it is marked. Otherwise it is tried again after a growing pause,
// and its neighbours go on. An event that the receiver refuses three times is set
// aside; so is an event that can't be built, and an event that fails for a day. An
// operator handles events that are set aside (docs/events.md).
//
// If a relay dies before it settles its events, their lease runs out, and another
// relay publishes them again. Consumers take each event once. Any number of relays may
// run. Events may overtake each other, also those of one customer. A NOTIFY wakes the
// relay. It also polls every second, so a lost NOTIFY costs a second.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// Sink takes events. Publish returns a result for each event of the batch, in its
// order, before ctx ends. After nil the sink is responsible for the event.
// events.ErrRefused says that no later try can succeed, events.ErrNotTried that the
// sink has not tried, and any other error that a later try may succeed.
type Sink interface {
	Publish(ctx context.Context, batch []cloudevent.Event) []error
}

// Relay is one publisher.
type Relay struct {
	DB    *pg.DB
	Ring  *keys.Ring
	Sink  Sink
	Log   *slog.Logger
	Lease time.Duration // how long no other relay takes the batch; 10 s if zero
	Batch int           // 200 if zero
	// Backoff is about the first pause of an event that was not taken; 500 ms if zero.
	Backoff time.Duration
}

const (
	pollEvery = time.Second
	retryBase = 100 * time.Millisecond
	retryMax  = 5 * time.Second

	batchesAtOnce = 8 // of one lane, so that a receiver that never answers holds up only its own batch
	pauseMax      = 30 * time.Second
	refusals      = 3              // after so many refusals an event is set aside
	giveUpAfter   = 24 * time.Hour // after its creation, an event that fails is set aside
)

// Run publishes until ctx ends, and then settles what it has begun.
func (r *Relay) Run(ctx context.Context) {
	wakes := make([]chan struct{}, len(events.Lanes()))
	for i := range wakes {
		wakes[i] = make(chan struct{}, 1)
	}
	go events.Watch(ctx, r.DB, func() {
		for _, lane := range wakes {
			select {
			case lane <- struct{}{}:
			default: // the lane has a wake-up already
			}
		}
	})
	var lanes sync.WaitGroup
	for i, name := range events.Lanes() {
		lanes.Go(func() { r.run(ctx, name, wakes[i]) })
	}
	lanes.Wait()
}

// lane is the loop of one lane.
type lane struct {
	name    events.Lane
	slots   chan struct{} // batches under way
	silent  atomic.Int64  // batches in a row for which the sink gave no answer
	answers chan struct{} // the sink answers again
	batches sync.WaitGroup
}

// run publishes one lane. After a batch of which the sink answered for no event, run
// leases single events until the sink answers again. So an outage does not count as an
// attempt of every event that waits.
func (r *Relay) run(ctx context.Context, name events.Lane, wake <-chan struct{}) {
	l := &lane{name: name, slots: make(chan struct{}, batchesAtOnce), answers: make(chan struct{}, 1)}
	defer l.batches.Wait()
	for ctx.Err() == nil {
		most, wait := r.batch(), time.Duration(0)
		if n := l.silent.Load(); n > 0 {
			most, wait = 1, min(retryBase<<min(n, 8), retryMax)
		}
		l.slots <- struct{}{}
		stored, err := events.Lease(ctx, r.DB, name, r.lease(), most)
		if err != nil && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "relay", slog.Any("cause", err))
		}
		if len(stored) == 0 {
			<-l.slots
			wait = pollEvery
		} else {
			l.batches.Go(func() { r.publishIn(ctx, l, stored) })
		}
		if wait == 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-l.answers:
		case <-time.After(wait):
		}
	}
}

// publishIn publishes a batch of a lane, and gives its slot back.
func (r *Relay) publishIn(ctx context.Context, l *lane, stored []events.Stored) {
	defer func() { <-l.slots }()
	if _, err := r.publish(ctx, stored); errors.Is(err, errSilent) {
		l.silent.Add(1)
		return
	}
	if l.silent.Swap(0) > 0 {
		select {
		case l.answers <- struct{}{}:
		default: // the loop knows already
		}
	}
}

func (r *Relay) lease() time.Duration {
	if r.Lease == 0 {
		return 10 * time.Second
	}
	return r.Lease
}

func (r *Relay) batch() int {
	if r.Batch == 0 {
		return 200
	}
	return r.Batch
}

// Once leases and publishes one batch of a lane. It returns the number of events that
// the sink has taken.
func (r *Relay) Once(ctx context.Context, lane events.Lane) (int, error) {
	stored, err := events.Lease(ctx, r.DB, lane, r.lease(), r.batch())
	if err != nil || len(stored) == 0 {
		return 0, err
	}
	return r.publish(ctx, stored)
}

// errSilent reports that the sink answered for no event of a batch.
var errSilent = errors.New("the sink took no event")

// settled sorts the events of a batch by their result.
type settled struct {
	taken, untried []string
	failed         []events.Failure
	answered       bool // the sink took or refused an event
}

// publish publishes leased events and settles each.
func (r *Relay) publish(ctx context.Context, stored []events.Stored) (int, error) {
	var s settled
	batch, sent := r.build(ctx, stored, &s)
	var results []error
	if len(batch) > 0 {
		limited, cancel := context.WithTimeout(ctx, r.lease()*3/4) // the rest of the lease is for settling
		results = r.Sink.Publish(limited, batch)
		cancel()
	}
	var last error
	for i, row := range sent {
		err := errors.New("the sink gave no result") //nolint:err113 // the sink is wrong
		if i < len(results) {
			err = results[i]
		}
		if err != nil {
			last = err
		}
		r.judge(ctx, row, err, &s)
	}
	err := r.settle(ctx, s)
	switch {
	case err != nil:
		return len(s.taken), err
	case len(batch) > 0 && !s.answered:
		return 0, fmt.Errorf("publish: %w: %w", errSilent, last)
	}
	return len(s.taken), nil
}

// build makes CloudEvents of the rows. It sets aside a row of which it can't make one.
func (r *Relay) build(ctx context.Context, stored []events.Stored, s *settled) ([]cloudevent.Event, []events.Stored) {
	var batch []cloudevent.Event
	var sent []events.Stored
	for _, row := range stored {
		e, err := row.CloudEvent(r.Ring)
		if err == nil {
			err = e.Validate()
		}
		if err != nil {
			s.fail(ctx, r.Log, row, events.Failure{Aside: true, Reason: "not a CloudEvent: " + err.Error()})
			continue
		}
		batch, sent = append(batch, e), append(sent, row)
	}
	return batch, sent
}

// judge decides about one event by its result.
func (r *Relay) judge(ctx context.Context, row events.Stored, err error, s *settled) {
	switch {
	case err == nil:
		s.taken, s.answered = append(s.taken, row.ID), true
	case errors.Is(err, events.ErrNotTried) || ctx.Err() != nil: // the relay stops: its events are free at once
		s.untried = append(s.untried, row.ID)
	case errors.Is(err, events.ErrRefused):
		s.answered = true
		s.fail(ctx, r.Log, row, events.Failure{
			Pause: r.pause(row.Attempts), Aside: row.Attempts+1 >= refusals, Reason: err.Error(),
		})
	default:
		s.fail(ctx, r.Log, row, events.Failure{
			Pause: r.pause(row.Attempts), Aside: time.Since(row.CreatedAt) > giveUpAfter, Reason: err.Error(),
		})
	}
}

func (s *settled) fail(ctx context.Context, log *slog.Logger, row events.Stored, f events.Failure) {
	f.ID = row.ID
	s.failed = append(s.failed, f)
	level, text := slog.LevelWarn, "event not published"
	if f.Aside {
		level, text = slog.LevelError, "event set aside"
	}
	log.LogAttrs(ctx, level, text, slog.String("id", row.ID), slog.String("type", row.Type),
		slog.Int("attempts", row.Attempts+1), slog.String("reason", f.Reason))
}

// pause is the time after so many failed attempts.
func (r *Relay) pause(attempts int) time.Duration {
	base := r.Backoff
	if base == 0 {
		base = 500 * time.Millisecond
	}
	return events.Pause(base, pauseMax, attempts)
}

// settle writes the results. If a statement fails, the leases of its events run out.
func (r *Relay) settle(ctx context.Context, s settled) error {
	var errs []error
	if len(s.taken) > 0 {
		errs = append(errs, events.MarkPublished(ctx, r.DB, s.taken))
	}
	if len(s.failed) > 0 {
		errs = append(errs, events.Failed(ctx, r.DB, s.failed))
	}
	if len(s.untried) > 0 {
		errs = append(errs, events.Release(ctx, r.DB, s.untried))
	}
	err := errors.Join(errs...)
	if err != nil {
		r.Log.WarnContext(ctx, "relay", slog.Any("cause", err))
	}
	return err
}

// Observe registers the metrics of the outbox: how many events wait, how long the
// oldest event has waited, and how many are set aside.
func (r *Relay) Observe(registry prometheus.Registerer) { events.ObserveOutbox(r.DB, registry) }
