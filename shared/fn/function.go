package fn

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/kelseyhightower/envconfig"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
)

// Operation is an HTTP function's own code: it runs once every stage has passed.
type Operation[Req, Resp any] func(ctx context.Context, request Req) (Resp, error)

// Reaction is an event function's own code. It may call out (idempotently by
// event id), and returns the effect that the runtime commits together with the
// record that this consumer has seen the event.
type Reaction[Data any] func(ctx context.Context, event Delivery[Data]) (Effect, error)

// Effect changes the database inside the transaction of the dedupe record; nil
// changes nothing.
type Effect func(ctx context.Context, tx pg.Tx) error

// Function is a declared function, not yet opened.
type Function struct {
	Spec     Spec
	Request  reflect.Type // HTTP: the request; event: the data
	Response reflect.Type // nil for event functions
	Config   reflect.Type // what it reads from the environment

	open func(ctx context.Context, host *Host) (handler.FunctionHandler, error)
}

// HTTP declares a function that answers requests. It panics on a policy that
// contradicts itself: such a program must not start.
func HTTP[C, Req, Resp any](
	spec Spec, wire func(ctx context.Context, host *Host, config C) (Operation[Req, Resp], error),
) Function {
	var request Req
	if err := spec.check(request, false); err != nil {
		panic(err)
	}
	names, fingerprint := namesOf(reflect.TypeFor[Req]()), fingerprintOf(reflect.TypeFor[Req]())
	return Function{
		Spec: spec, Request: reflect.TypeFor[Req](), Response: reflect.TypeFor[Resp](), Config: reflect.TypeFor[C](),
		open: func(ctx context.Context, host *Host) (handler.FunctionHandler, error) {
			operate, err := wired(ctx, host, spec, wire)
			if err != nil {
				return nil, err
			}
			return newHTTPHandler(spec, host, bound{
				decode:      func(raw json.RawMessage) (any, error) { return decode[Req](raw, names) },
				fingerprint: fingerprint,
				run: func(ctx context.Context, request any) (any, error) {
					typed, ok := request.(Req)
					if !ok {
						return nil, bankerr.ErrInternal
					}
					return operate(ctx, typed)
				},
			}), nil
		},
	}
}

// Event declares a function that reacts to CloudEvents of the types in
// spec.Consumes, each of which carries Data.
func Event[C, Data any](
	spec Spec, wire func(ctx context.Context, host *Host, config C) (Reaction[Data], error),
) Function {
	var data Data
	if err := spec.check(data, true); err != nil {
		panic(err)
	}
	return Function{
		Spec: spec, Request: reflect.TypeFor[Data](), Config: reflect.TypeFor[C](),
		open: func(ctx context.Context, host *Host) (handler.FunctionHandler, error) {
			react, err := wired(ctx, host, spec, wire)
			if err != nil {
				return nil, err
			}
			return newEventHandler(spec, host, func(ctx context.Context, e arrived) (Effect, error) {
				return reactTyped(ctx, e, react)
			}), nil
		},
	}
}

// Open wires the function on a host and returns its entry.
func (f Function) Open(ctx context.Context, host *Host) (handler.FunctionHandler, error) {
	return f.open(ctx, host)
}

func wired[C, Op any](
	ctx context.Context, host *Host, spec Spec, wire func(context.Context, *Host, C) (Op, error),
) (Op, error) {
	var config C
	var none Op
	if err := envconfig.Process("", &config); err != nil {
		return none, fmt.Errorf("%s: configuration: %w", spec.Name, err)
	}
	op, err := wire(ctx, host, config)
	if err != nil {
		return none, fmt.Errorf("%s: wire: %w", spec.Name, err)
	}
	return op, nil
}
