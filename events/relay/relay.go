// Package relay publishes events from the outbox to the configured sink, at least
// once and soon after the commit.
//
// A relay leases a batch of unpublished rows, publishes them, and then marks them. If
// a relay dies before it marks them, the lease runs out, and another relay publishes
// the same events again. Consumers take each event once. Any number of relays may
// run. A NOTIFY wakes the relay. It also polls every second, so a lost NOTIFY costs a
// second.
package relay

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// Sink takes events. When Publish returns nil, the sink is responsible for them.
type Sink interface {
	Publish(ctx context.Context, batch []cloudevents.Event) error
}

// Relay is one publisher.
type Relay struct {
	DB    *pg.DB
	Ring  *keys.Ring
	Sink  Sink
	Log   *slog.Logger
	Lease time.Duration // how long no other relay takes the batch; 10 s if zero
	Batch int           // 200 if zero
}

const (
	pollEvery = time.Second
	retryBase = 100 * time.Millisecond
	retryMax  = 5 * time.Second
)

// Run publishes until ctx ends.
func (r *Relay) Run(ctx context.Context) {
	wake := make(chan struct{}, 1)
	go r.DB.Listen(ctx, events.OutboxChannel, func() {
		select {
		case wake <- struct{}{}:
		default: // the relay has a signal already
		}
	})
	pause := retryBase
	for ctx.Err() == nil {
		n, err := r.Once(ctx)
		wait := pollEvery
		switch {
		case err != nil && ctx.Err() == nil:
			r.Log.WarnContext(ctx, "relay", slog.Any("cause", err))
			wait, pause = pause, min(2*pause, retryMax)
		case n > 0:
			wait, pause = 0, retryBase
		default:
			pause = retryBase
		}
		if wait == 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-time.After(wait):
		}
	}
}

// Once publishes one batch and returns its number of events.
func (r *Relay) Once(ctx context.Context) (int, error) {
	lease, size := r.Lease, r.Batch
	if lease == 0 {
		lease = 10 * time.Second
	}
	if size == 0 {
		size = 200
	}
	stored, err := events.Lease(ctx, r.DB, lease, size)
	if err != nil || len(stored) == 0 {
		return 0, err
	}
	ids := make([]string, len(stored))
	batch := make([]cloudevents.Event, len(stored))
	for i, s := range stored {
		ids[i] = s.ID
		if batch[i], err = s.CloudEvent(r.Ring); err != nil {
			return 0, err
		}
	}
	if err := r.Sink.Publish(ctx, batch); err != nil {
		_ = events.Release(context.WithoutCancel(ctx), r.DB, ids) // if this fails, the lease runs out
		return 0, fmt.Errorf("publish: %w", err)
	}
	if err := events.MarkPublished(context.WithoutCancel(ctx), r.DB, ids); err != nil {
		return 0, err
	}
	return len(stored), nil
}

// Observe registers the metrics of the outbox: how many events wait, and how long the
// oldest event has waited.
func (r *Relay) Observe(registry prometheus.Registerer) { events.ObserveOutbox(r.DB, registry) }
