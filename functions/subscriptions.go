package functions

import (
	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/fn"
)

// Subscriptions lists the event types that each event function hears: those that its
// Spec consumes.
func Subscriptions() events.Subscriptions {
	var table events.Subscriptions
	for _, f := range All() {
		if f.Trigger == fn.TriggerEvent {
			table = append(table, events.Subscription{Consumer: f.Spec.Name, Types: f.Spec.Consumes})
		}
	}
	return table
}
