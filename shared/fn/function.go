package fn

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// QueryOperation reads stored data, answers, and changes nothing.
type QueryOperation[Req, Resp any] func(ctx context.Context, call *Call, request Req) (Resp, error)

// CommandOperation decides, and adds its changes to the unit. The runtime commits the
// unit after it has checked that the reply is masked, together with the idempotency
// record. After an error, the runtime commits nothing.
type CommandOperation[Req, Resp any] func(ctx context.Context, call *Call, request Req, unit *pg.Unit) (Resp, error)

// ConfirmOperation carries out a stored intent whose proofs hold. The runtime
// commits its unit like a command's, together with the intent's consumption.
type ConfirmOperation[Plan, Req, Resp any] func(
	ctx context.Context, call *Call, request Req, confirmed Confirmed[Plan], unit *pg.Unit,
) (Resp, error)

// Confirmed is an intent whose proofs the runtime has verified.
type Confirmed[Plan any] struct {
	Plan     Plan // the plan that the prepare function stored
	IntentID uuid.UUID
	Text     string // the canonical Chinese text that the customer confirmed
	Factors  []stepup.Factor
}

// Trigger is the cause that makes a function run.
type Trigger string

// The triggers.
const (
	TriggerHTTP   Trigger = "http"
	TriggerEvent  Trigger = "event"
	TriggerWorker Trigger = "worker"
)

// Function is a declared function, not yet opened.
type Function struct {
	Spec     Spec
	Form     Form
	Trigger  Trigger
	Request  reflect.Type // HTTP: the request; event: the data
	Response reflect.Type // HTTP only
	Config   reflect.Type // the type of its configuration

	open func(ctx context.Context, h *host.Host, settings host.Settings) (handler.FunctionHandler, error)
	work func(ctx context.Context, h *host.Host, settings host.Settings) (Work, error)
}

// Query declares a function that changes nothing. Query, Command, Confirm, Event
// and Worker panic on a Spec that contradicts itself: such a program must not start.
func Query[C, Req, Resp any](
	spec Spec, wire func(ctx context.Context, lent *Lent, config C) (QueryOperation[Req, Resp], error),
) Function {
	return declareHTTP[C, Req, Resp](spec, FormQuery, wire, func(op QueryOperation[Req, Resp]) run[Req] {
		return func(ctx context.Context, c *call, request Req) (any, error) { return op(ctx, c.copied(), request) }
	})
}

// Command declares a function that changes stored data.
func Command[C, Req, Resp any](
	spec Spec, wire func(ctx context.Context, lent *Lent, config C) (CommandOperation[Req, Resp], error),
) Function {
	return declareHTTP[C, Req, Resp](spec, FormCommand, wire, func(op CommandOperation[Req, Resp]) run[Req] {
		return func(ctx context.Context, c *call, request Req) (any, error) {
			return op(ctx, c.copied(), request, &c.unit)
		}
	})
}

// Confirm declares a function that carries out an intent. It is for customers, is
// idempotent and takes step-up: the Spec does not say so again. Its request embeds
// stepup.Confirmation.
func Confirm[C, Plan, Req, Resp any](
	spec Spec, wire func(ctx context.Context, lent *Lent, config C) (ConfirmOperation[Plan, Req, Resp], error),
) Function {
	spec.Audience, spec.Idempotent, spec.StepUp = Customer, true, true
	return declareHTTP[C, Req, Resp](spec, FormConfirm, wire, func(op ConfirmOperation[Plan, Req, Resp]) run[Req] {
		return func(ctx context.Context, c *call, request Req) (any, error) {
			intent := c.verified.Intent
			confirmed := Confirmed[Plan]{IntentID: intent.ID, Text: intent.Text, Factors: c.verified.Factors}
			if err := json.Unmarshal(intent.Payload, &confirmed.Plan); err != nil {
				return nil, bankerr.ErrInternal.Because(fmt.Errorf("stored intent: %w", err))
			}
			return op(ctx, c.copied(), request, confirmed, &c.unit)
		}
	})
}

// run is an operation with a typed request, whatever its form.
type run[Req any] func(ctx context.Context, c *call, request Req) (any, error)

func declareHTTP[C, Req, Resp, Op any](
	spec Spec, form Form, wire func(context.Context, *Lent, C) (Op, error), typed func(Op) run[Req],
) Function {
	var request Req
	if err := spec.check(form, request, reflect.TypeFor[C]()); err != nil {
		panic(err)
	}
	schema, err := schemaOf(reflect.TypeFor[Req]())
	if err != nil {
		panic(fmt.Errorf("%s: %w", spec.Name, err))
	}
	fields := fingerprintOf(reflect.TypeFor[Req]())
	clear := clearFieldsOf(reflect.TypeFor[Resp]())
	return Function{
		Spec: spec, Form: form, Trigger: TriggerHTTP,
		Request: reflect.TypeFor[Req](), Response: reflect.TypeFor[Resp](), Config: reflect.TypeFor[C](),
		open: func(ctx context.Context, h *host.Host, settings host.Settings) (handler.FunctionHandler, error) {
			op, err := wired(ctx, h, spec, settings, wire)
			if err != nil {
				return nil, err
			}
			operate := typed(op)
			return newHTTPHandler(spec, h, bound{
				decode:      func(raw json.RawMessage) (any, error) { return decode[Req](raw, schema) },
				fingerprint: fields,
				clear:       clear,
				run: func(ctx context.Context, c *call) (any, error) {
					request, ok := c.request.(Req)
					if !ok {
						return nil, bankerr.ErrInternal
					}
					return operate(ctx, c, request)
				},
			}), nil
		},
	}
}

// Open wires an HTTP or event function on a host and returns its entry.
func (f Function) Open(ctx context.Context, h *host.Host, settings host.Settings) (handler.FunctionHandler, error) {
	if f.open == nil {
		return nil, fmt.Errorf("%s is a worker: start it", f.Spec.Name) //nolint:err113 // the program is wrong
	}
	h.Metrics.Declare(f.Spec.Name)
	return f.open(ctx, h, settings)
}

// Needs lists the stores and keys that a process opens for the function.
func (f Function) Needs() host.Needs {
	needs := host.Needs{DB: !f.Spec.NoDatabase, Purposes: append([]keys.Purpose(nil), f.Spec.Keys...)}
	switch f.Trigger {
	case TriggerHTTP:
		needs.Redis, needs.Clients = true, true // channel, rate and sessions
		needs.Purposes = append(needs.Purposes, keys.Session, keys.BlindIndex)
	case TriggerEvent:
		needs.Purposes = append(needs.Purposes, keys.Event)
		if f.Spec.EndsSessions {
			needs.Redis = true
			needs.Purposes = append(needs.Purposes, keys.Session)
		}
	case TriggerWorker:
		if f.Spec.RecordsRefused {
			needs.Redis = true // it holds their counts
			needs.Purposes = append(needs.Purposes, keys.Session)
		}
	}
	if f.Spec.StepUp {
		needs.Certificates = true
		needs.Purposes = append(needs.Purposes, keys.OTP, keys.Password, keys.Storage, keys.Pepper, keys.Credential, keys.Token,
			keys.Evidence)
	}
	if f.Spec.Idempotent {
		needs.Purposes = append(needs.Purposes, keys.Storage) // stored replies
	}
	return needs
}

// Serve runs one function's process until SIGTERM: the whole of a generated main.
func Serve(f Function) {
	host.Main(f.Spec.Name, f.serve)
}

func (f Function) serve(ctx context.Context, settings host.Settings) error {
	var serving host.ServeConfig
	if err := settings(&serving); err != nil {
		return err
	}
	config, err := host.LoadConfig(settings, f.Needs())
	if err != nil {
		return err
	}
	h, err := host.Open(ctx, config, f.Needs())
	if err != nil {
		return err
	}
	defer h.Close()
	if f.Trigger == TriggerWorker {
		return f.serveWorker(ctx, h, settings, serving)
	}
	entry, err := f.Open(ctx, h, settings)
	if err != nil {
		return err
	}
	ports, err := serving.Listen(ctx)
	if err != nil {
		return err
	}
	return h.Serve(ctx, ports, f.Spec.Name, entry)
}

func wired[C, Op any](
	ctx context.Context, h *host.Host, spec Spec, settings host.Settings, wire func(context.Context, *Lent, C) (Op, error),
) (Op, error) {
	var config C
	var none Op
	if err := settings(&config); err != nil {
		return none, fmt.Errorf("%s: %w", spec.Name, err)
	}
	op, err := wire(ctx, lend(h, spec), config)
	if err != nil {
		return none, fmt.Errorf("%s: wire: %w", spec.Name, err)
	}
	return op, nil
}
