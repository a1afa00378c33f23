package fn

import (
	"context"
	"errors"
	"log/slog"
	"reflect"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// Work runs until ctx ends. Then it finishes the work that it has begun, and returns.
type Work func(ctx context.Context)

// WorkerLent holds the stores and keys that a worker may use. A worker has no caller
// and commits by itself. DB is nil for a worker that probes.
type WorkerLent struct {
	DB      *pg.DB
	Keys    *keys.Ring // of the purposes that the Spec declares
	Clock   clock.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Downstream returns the timer of a service that the worker calls.
	Downstream func(downstream.Name) *downstream.Timer
	// RecordRefused writes the records of the calls that were refused before they were
	// admitted. It is nil unless the Spec declares RecordsRefused.
	RecordRefused func(context.Context) error
}

// Worker declares a process that works by itself and has no caller.
func Worker[C any](spec Spec, wire func(ctx context.Context, lent *WorkerLent, config C) (Work, error)) Function {
	spec.Audience = Internal
	if err := spec.check(FormWorker, nil, reflect.TypeFor[C]()); err != nil {
		panic(err)
	}
	return Function{
		Spec: spec, Form: FormWorker, Trigger: TriggerWorker, Config: reflect.TypeFor[C](),
		work: func(ctx context.Context, h *host.Host, settings host.Settings) (Work, error) {
			var config C
			if err := settings(&config); err != nil {
				return nil, err
			}
			lent := &WorkerLent{
				DB: h.DB, Keys: ring(h, spec), Clock: h.Clock, Log: h.Log, Metrics: h.Metrics.Registry,
				Downstream: h.Metrics.Downstream,
			}
			if spec.RecordsRefused {
				lent.RecordRefused = func(ctx context.Context) error { return RecordRefused(ctx, h) }
			}
			return wire(ctx, lent, config)
		},
	}
}

var errNoWorker = errors.New("fn: not a worker")

// Start wires a worker on a host; the caller runs the Work that it returns.
func (f Function) Start(ctx context.Context, h *host.Host, settings host.Settings) (Work, error) {
	if f.work == nil {
		return nil, errNoWorker
	}
	return f.work(ctx, h, settings)
}

// serveWorker runs the work, and meanwhile serves health and readiness.
func (f Function) serveWorker(
	ctx context.Context, h *host.Host, settings host.Settings, serving host.ServeConfig,
) error {
	work, err := f.Start(ctx, h, settings)
	if err != nil {
		return err
	}
	serving.Linger = 0 // nobody calls a worker
	ports, err := serving.Listen(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx)
	}()
	err = h.Serve(ctx, ports, f.Spec.Name, nil)
	stop() // Serve may have ended by itself
	<-done
	return err
}
