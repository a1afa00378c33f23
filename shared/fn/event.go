package fn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
)

// Reaction is an event function's own code. It may call other services, under ids
// made from the event's id, so that a repetition does no harm. It returns the effect.
// The runtime commits the effect together with the record that this consumer has had
// the event.
type Reaction[Data any] func(ctx context.Context, event Delivery[Data]) (Effect, error)

// Effect changes the database in the transaction of that record; nil changes nothing.
type Effect = func(ctx context.Context, tx pg.Tx) error

// Split is an event function's own code whose parts succeed or fail independently.
type Split[Data any] func(ctx context.Context, event Delivery[Data]) ([]Part, error)

// Part is one part of a reaction. The runtime runs the parts of an event at once. It
// commits each part's effect together with a record of the part. If a part fails for
// now, the event comes again, and only the parts without a record run again.
type Part struct {
	Name  string // identifies the part among the event's parts
	React func(ctx context.Context) (Effect, error)
}

// Event declares a function that reacts to CloudEvents of the types in
// spec.Consumes, each of which carries Data. Its audience is Internal.
func Event[C, Data any](
	spec Spec, wire func(ctx context.Context, lent *Lent, config C) (Reaction[Data], error),
) Function {
	return declareEvent(spec, wire,
		func(ctx context.Context, h *eventHandler, e cloudevent.Event, d Delivery[Data], react Reaction[Data]) error {
			effect, err := react(ctx, d)
			if err != nil {
				return err
			}
			return h.commit(ctx, h.spec.Name, e, effect)
		})
}

// EventParts declares a function like Event, whose reaction has parts.
func EventParts[C, Data any](
	spec Spec, wire func(ctx context.Context, lent *Lent, config C) (Split[Data], error),
) Function {
	return declareEvent(spec, wire,
		func(ctx context.Context, h *eventHandler, e cloudevent.Event, d Delivery[Data], split Split[Data]) error {
			parts, err := split(ctx, d)
			if err != nil {
				return err
			}
			return h.runParts(ctx, e, parts)
		})
}

func declareEvent[C, Data, Op any](
	spec Spec, wire func(context.Context, *Lent, C) (Op, error),
	run func(context.Context, *eventHandler, cloudevent.Event, Delivery[Data], Op) error,
) Function {
	spec.Audience = Internal
	if err := spec.check(FormEvent, nil, reflect.TypeFor[C]()); err != nil {
		panic(err)
	}
	return Function{
		Spec: spec, Form: FormEvent, Trigger: TriggerEvent, Request: reflect.TypeFor[Data](), Config: reflect.TypeFor[C](),
		open: func(ctx context.Context, h *host.Host, settings host.Settings) (handler.FunctionHandler, error) {
			op, err := wired(ctx, h, spec, settings, wire)
			if err != nil {
				return nil, err
			}
			return &eventHandler{spec: spec, host: h, react: func(ctx context.Context, h *eventHandler, e cloudevent.Event) error {
				data, err := typed[Data](e)
				if err != nil {
					return err
				}
				return run(ctx, h, e, data, op)
			}}, nil
		},
	}
}

// Delivery is an event as an event function receives it.
type Delivery[Data any] struct {
	ID      string
	Type    string
	Subject string
	Time    time.Time
	Data    Data
	Raw     []byte // the data as sent
}

// reaction is an event function's code whose data type is hidden. It commits its
// effects.
type reaction func(ctx context.Context, h *eventHandler, e cloudevent.Event) error

// eventHandler is an opened event function.
type eventHandler struct {
	spec  Spec
	host  *host.Host
	react reaction
}

func typed[Data any](e cloudevent.Event) (Delivery[Data], error) {
	d := Delivery[Data]{ID: e.ID, Type: e.Type, Subject: e.Subject, Time: e.Time, Raw: e.Data}
	// A later release may add fields within a version, so unknown fields pass.
	if err := json.Unmarshal(e.Data, &d.Data); err != nil {
		return d, bankerr.ErrInput.Because(fmt.Errorf("event data: %w", err))
	}
	return d, nil
}

// Handle takes one delivery, of one event or of a batch. Each event has its own
// effect. It answers an empty 202 when every event has had its effect, now or earlier.
// It answers 503 when a later try may succeed for an event; then the events that have
// had their effect do not have it again. It answers 400 when an event can never have
// its effect, and 413 when the delivery is too large: brokers do not retry these.
func (h *eventHandler) Handle(req handler.Request) (handler.Response, error) {
	ctx := req.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, h.spec.timeout())
	defer cancel()
	started := h.host.Clock.Now()
	delivered, err := h.read(req)
	if err != nil {
		ctx, span := startTrace(ctx, h.spec.Name, req.Header)
		defer span.End()
		h.observe(ctx, cloudevent.Event{}, err, started)
		return h.unread(ctx, err), nil
	}
	errs := make([]error, len(delivered))
	for i, d := range delivered {
		errs[i] = h.takeTraced(ctx, req.Header, d, started)
	}
	return handler.Response{StatusCode: eventStatus(decisive(errs))}, nil
}

// takeTraced takes one event of a delivery, in the trace of the request that caused the
// event. A broker may pass on the trace in the event only.
func (h *eventHandler) takeTraced(ctx context.Context, header http.Header, d delivered, started time.Time) error {
	if parent := d.event.Extensions[events.ExtensionTrace]; parent != "" && header.Get("Traceparent") == "" {
		header = http.Header{"Traceparent": {parent}}
	}
	ctx, span := startTrace(ctx, h.spec.Name, header)
	defer span.End()
	err := d.err
	if err == nil {
		err = h.take(ctx, d.event)
	}
	h.observe(ctx, d.event, err, started)
	return err
}

// observe counts an event and logs its refusal.
func (h *eventHandler) observe(ctx context.Context, event cloudevent.Event, err error, started time.Time) {
	h.host.Metrics.Observe(h.spec.Name, err, h.host.Clock.Now().Sub(started))
	if err == nil {
		return
	}
	e := bankerr.From(err)
	level := slog.LevelError
	if e.Kind() == bankerr.Left { // the broker delivers the event again
		level = slog.LevelInfo
	}
	h.host.Log.LogAttrs(ctx, level, "event refused", slog.String("function", h.spec.Name),
		slog.String("code", e.Code()), slog.Any("cause", e.Unwrap()), slog.String("source", event.Source),
		slog.String("id", event.ID), slog.Time("sent", event.Time), slog.String("trace", traceID(ctx)))
}

// unread answers a delivery that could not be read. A problem says that the delivery is
// too large, or has the wrong method.
func (h *eventHandler) unread(ctx context.Context, err error) handler.Response {
	e := bankerr.From(err)
	if e.Kind() != bankerr.Method && e.Kind() != bankerr.TooLarge {
		return handler.Response{StatusCode: eventStatus(err)}
	}
	header := http.Header{"Content-Type": {"application/problem+json"}}
	if e.Kind() == bankerr.Method {
		header.Set("Allow", http.MethodPost)
	}
	return handler.Response{StatusCode: e.Kind().Status(), Body: problemJSON(e, traceID(ctx)), Header: header}
}

// eventStatus tells the sender what to do with the delivery.
func eventStatus(err error) int {
	switch {
	case err == nil:
		return http.StatusAccepted
	case forGood(err):
		return http.StatusBadRequest
	}
	return http.StatusServiceUnavailable
}

// forGood reports whether no later try can succeed.
func forGood(err error) bool {
	kind := bankerr.From(err).Kind()
	return kind == bankerr.Invalid || kind == bankerr.Refused
}

// decisive returns the error that decides about a delivery: an error that a later try
// may cure, or another error if there is no such error.
func decisive(errs []error) (found error) {
	for _, err := range errs {
		if err != nil && (found == nil || forGood(found)) {
			found = err
		}
	}
	return found
}

// take takes one event.
func (h *eventHandler) take(ctx context.Context, event cloudevent.Event) error {
	return protected(ctx, func() error {
		if err := events.Verify(h.host.Keys, event); errors.Is(err, events.ErrForged) {
			return bankerr.ErrInput.Because(err)
		} else if err != nil {
			return bankerr.ErrInternal.Because(err)
		}
		if !slices.Contains(h.spec.Consumes, event.Type) {
			return bankerr.ErrInput.Because(fmt.Errorf("event type %q is not for %s", event.Type, h.spec.Name))
		}
		if h.spec.DeadLetters {
			return h.react(ctx, h, event)
		}
		if err := events.CheckAge(event, h.host.Clock.Now()); err != nil {
			return bankerr.ErrInput.Because(err)
		}
		seen, err := events.Seen(ctx, h.host.DB, event.Source, event.ID, h.spec.Name)
		if err != nil || len(seen) > 0 {
			return err
		}
		return h.react(ctx, h, event)
	})
}

// protected turns a panic, a time-out, and the leaving of the sender into the refusal that
// an event function answers with.
func protected(ctx context.Context, work func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = bankerr.ErrInternal.Because(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
		err = late(ctx, err)
	}()
	return work()
}

// runParts runs the parts that have no record yet. The event itself gets its record
// when every part has one.
func (h *eventHandler) runParts(ctx context.Context, e cloudevent.Event, parts []Part) error {
	consumers := make([]string, len(parts))
	for i, p := range parts {
		consumers[i] = h.spec.Name + "/" + p.Name
	}
	seen, err := events.Seen(ctx, h.host.DB, e.Source, e.ID, consumers...)
	if err != nil {
		return err
	}
	errs := make([]error, len(parts))
	var wait sync.WaitGroup
	for i, p := range parts {
		if slices.Contains(seen, consumers[i]) {
			continue
		}
		wait.Go(func() {
			errs[i] = protected(ctx, func() error {
				effect, err := p.React(ctx)
				if err != nil {
					return fmt.Errorf("%s: %w", p.Name, err)
				}
				return h.commit(ctx, consumers[i], e, effect)
			})
		})
	}
	wait.Wait()
	if err := decisive(errs); err != nil {
		return err
	}
	return h.commit(ctx, h.spec.Name, e, nil)
}

// commit commits an effect with the record that the consumer has had the event. If the
// record is there already, commit changes nothing. It runs to its end, also if the sender
// leaves.
func (h *eventHandler) commit(ctx context.Context, consumer string, e cloudevent.Event, effect Effect) error {
	if ctx.Err() != nil {
		return ctx.Err() //nolint:wrapcheck // protected wraps it
	}
	ctx, cancel := toTheEnd(ctx)
	defer cancel()
	return h.host.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		first, err := events.Claim(ctx, tx, consumer, e.Source, e.ID)
		if err != nil || !first || effect == nil {
			return err
		}
		return effect(ctx, declared{Tx: tx, spec: h.spec})
	})
}

// declared is the transaction of an effect. It refuses an event that the Spec does not
// declare.
type declared struct {
	pg.Tx
	spec Spec
}

func (d declared) Write(ctx context.Context, s pg.Statement) error {
	if err := d.spec.allows(s); err != nil {
		return err
	}
	return d.Tx.Write(ctx, s)
}
