package functions

import (
	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/fn"
)

// Subscriptions lists the event types that each event function hears: those that its
// Spec consumes. The function of the dead letters hears none: the broker sends it what the
// others failed to take.
func Subscriptions() events.Subscriptions {
	var table events.Subscriptions
	for _, f := range All() {
		if f.Trigger == fn.TriggerEvent && !f.Spec.DeadLetters {
			table = append(table, events.Subscription{Consumer: f.Spec.Name, Types: f.Spec.Consumes})
		}
	}
	return table
}
