package fn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
)

// Reaction is an event function's own code. It may call other services, under ids
// made from the event's id, so that a repetition does no harm. It returns the effect.
// The runtime commits the effect together with the record that this consumer has had
// the event.
type Reaction[Data any] func(ctx context.Context, event Delivery[Data]) (Effect, error)

// Effect changes the database in the transaction of that record; nil changes nothing.
type Effect func(ctx context.Context, tx pg.Tx) error

// Event declares a function that reacts to CloudEvents of the types in
// spec.Consumes, each of which carries Data. Its audience is Internal.
func Event[C, Data any](
	spec Spec, wire func(ctx context.Context, lent *Lent, config C) (Reaction[Data], error),
) Function {
	spec.Audience = Internal
	if err := spec.check(FormEvent, nil, reflect.TypeFor[C]()); err != nil {
		panic(err)
	}
	return Function{
		Spec: spec, Form: FormEvent, Trigger: TriggerEvent, Request: reflect.TypeFor[Data](), Config: reflect.TypeFor[C](),
		open: func(ctx context.Context, h *host.Host, settings host.Settings) (handler.FunctionHandler, error) {
			react, err := wired(ctx, h, spec, settings, wire)
			if err != nil {
				return nil, err
			}
			return &eventHandler{spec: spec, host: h, react: func(ctx context.Context, e arrived) (Effect, error) {
				return reactTyped(ctx, e, react)
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

// arrived is a CloudEvent that passed the stages.
type arrived struct{ event cloudevents.Event }

// eventHandler is an opened event function.
type eventHandler struct {
	spec  Spec
	host  *host.Host
	react func(ctx context.Context, e arrived) (Effect, error)
}

func reactTyped[Data any](ctx context.Context, e arrived, react Reaction[Data]) (Effect, error) {
	var data Data
	// A later release may add fields within a version, so unknown fields pass.
	if err := json.Unmarshal(e.event.Data(), &data); err != nil {
		return nil, bankerr.ErrInput.Because(fmt.Errorf("event data: %w", err))
	}
	return react(ctx, Delivery[Data]{
		ID: e.event.ID(), Type: e.event.Type(), Subject: e.event.Subject(), Time: e.event.Time(), Data: data,
		Raw: e.event.Data(),
	})
}

// Handle takes one delivery. It answers an empty 202 when the event has had its
// effect, now or earlier. It answers 400 when the event can never have its effect:
// brokers do not retry 400. It answers 413 to an event that is too large, and 503 when a
// later try may succeed.
func (h *eventHandler) Handle(req handler.Request) (handler.Response, error) {
	ctx := req.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, h.spec.timeout())
	defer cancel()
	ctx, span := startTrace(ctx, h.spec.Name, req.Header)
	defer span.End()
	started := h.host.Clock.Now()
	var event cloudevents.Event
	err := h.take(ctx, req, &event)
	h.host.Metrics.Observe(h.spec.Name, outcome(err), h.host.Clock.Now().Sub(started))
	if err == nil {
		return handler.Response{StatusCode: http.StatusAccepted}, nil
	}
	e := bankerr.From(err)
	h.host.Log.LogAttrs(ctx, slog.LevelError, "event refused", slog.String("function", h.spec.Name),
		slog.String("code", e.Code()), slog.Any("cause", e.Unwrap()), slog.String("source", event.Source()),
		slog.String("id", event.ID()), slog.Time("sent", event.Time()), slog.String("trace", traceID(ctx)))
	switch e.Kind() {
	case bankerr.Invalid, bankerr.Refused:
		return handler.Response{StatusCode: http.StatusBadRequest}, nil
	case bankerr.Method, bankerr.TooLarge:
		header := http.Header{"Content-Type": {"application/problem+json"}}
		if e.Kind() == bankerr.Method {
			header.Set("Allow", http.MethodPost)
		}
		return handler.Response{StatusCode: e.Kind().Status(), Body: problemJSON(e, traceID(ctx)), Header: header}, nil
	default:
		return handler.Response{StatusCode: http.StatusServiceUnavailable}, nil
	}
}

// take takes the delivery, and stores the event in of.
func (h *eventHandler) take(ctx context.Context, req handler.Request, of *cloudevents.Event) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = bankerr.ErrInternal.Because(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
		err = late(err)
	}()
	if req.Method != http.MethodPost {
		return ErrMethod
	}
	if int64(len(req.Body)) > h.host.Limits.BodyBytes {
		return ErrTooLarge
	}
	event, err := readEvent(ctx, req)
	if err != nil {
		return bankerr.ErrInput.Because(err)
	}
	*of = event
	if err := events.Verify(h.host.Keys, event); errors.Is(err, events.ErrForged) {
		return bankerr.ErrInput.Because(err)
	} else if err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	if err := events.CheckAge(event, h.host.Clock.Now()); err != nil {
		return bankerr.ErrInput.Because(err)
	}
	if !slices.Contains(h.spec.Consumes, event.Type()) {
		return bankerr.ErrInput.Because(fmt.Errorf("event type %q is not for %s", event.Type(), h.spec.Name))
	}
	seen, err := events.Seen(ctx, h.host.DB, h.spec.Name, event.Source(), event.ID())
	if err != nil || seen {
		return err
	}
	effect, err := h.react(ctx, arrived{event})
	if err != nil {
		return err
	}
	return h.host.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		first, err := events.Claim(ctx, tx, h.spec.Name, event.Source(), event.ID())
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

var errNoEvent = errors.New("neither a CloudEvent nor a connector's delivery of one")

// readEvent reads a CloudEvent in binary or structured mode. OpenFaaS connectors
// send the structured event raw under X-Topic.
func readEvent(ctx context.Context, req handler.Request) (cloudevents.Event, error) {
	header := req.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("X-Topic") != "" && header.Get("Ce-Id") == "" {
		header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(req.Body))
	if err != nil {
		return cloudevents.Event{}, fmt.Errorf("event request: %w", err)
	}
	r.Header = header
	event, err := cehttp.NewEventFromHTTPRequest(r)
	if err != nil || event == nil {
		return cloudevents.Event{}, errors.Join(errNoEvent, err)
	}
	if err := event.Validate(); err != nil {
		return cloudevents.Event{}, fmt.Errorf("event: %w", err)
	}
	return *event, nil
}
