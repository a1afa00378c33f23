// Package onevent keeps the events that a consumer failed to take.
//
//	every type, from the broker's dead-letter sink → dead_letter
//
// A row holds the event's id and type, the consumer that failed and its last answer; the
// event itself stays in the outbox. An operator lists the rows with "tide events list
// --dead", and gives the events back to the relay with "tide events replay --dead". All
// consumers get such an event again; one that has had its effect has it only once.
package onevent

import (
	"context"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.DeadLetters(fn.Spec{
	Name: "deadletter-on-event", Summary: "Keep the events that a consumer failed to take",
	Consumes: events.Types(), Requirements: []string{"AUDIT-003"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.Burial, error) {
	return func(_ context.Context, letter events.Letter) (fn.Effect, error) {
		return func(ctx context.Context, tx pg.Tx) error {
			return events.Bury(ctx, tx, letter, lent.Clock.Now())
		}, nil
	}, nil
}
