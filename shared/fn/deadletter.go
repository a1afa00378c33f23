package fn

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/pg"
)

// The extension attributes by which a broker tells why an event is a dead letter.
// (Knative Eventing, "Event delivery".)
const (
	deadDestination = "knativeerrordest" // the address of the consumer that failed
	deadStatus      = "knativeerrorcode" // the HTTP status of its last answer
)

// Burial keeps a dead letter: an event that a broker could not deliver to one of its
// consumers. It returns the effect, which the runtime commits.
type Burial func(ctx context.Context, letter events.Letter) (Effect, error)

// DeadLetters declares the function to which the broker sends its dead letters. It takes
// the types in spec.Consumes, but subscribes to none. Unlike Event it takes an event of
// any age, and the same event again: after a replay the consumer may fail again.
func DeadLetters[C any](spec Spec, wire func(ctx context.Context, lent *Lent, config C) (Burial, error)) Function {
	spec.DeadLetters = true
	return declareEvent(spec, wire,
		func(ctx context.Context, h *eventHandler, e cloudevent.Event, _ Delivery[json.RawMessage], bury Burial) error {
			letter, err := readDeadLetter(e)
			if err != nil {
				return bankerr.ErrInput.Because(err)
			}
			effect, err := bury(ctx, letter)
			if err != nil || effect == nil {
				return err
			}
			return h.host.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
				return effect(ctx, declared{Tx: tx, spec: h.spec})
			})
		})
}

// readDeadLetter reads why the event is a dead letter. The event's seal does not cover
// these attributes, so only a name in the form of a function's passes.
func readDeadLetter(e cloudevent.Event) (events.Letter, error) {
	letter := events.Letter{EventID: e.ID, Type: e.Type}
	at, err := url.Parse(e.Extensions[deadDestination])
	if err != nil {
		return letter, fmt.Errorf("%s is no address", deadDestination)
	}
	letter.Consumer, _, _ = strings.Cut(at.Hostname(), ".")
	if !properName(letter.Consumer) {
		return letter, fmt.Errorf("%s names no function", deadDestination)
	}
	if status, err := strconv.ParseUint(e.Extensions[deadStatus], 10, 16); err == nil && status < 1000 {
		letter.Status = int(status)
	}
	return letter, nil
}
