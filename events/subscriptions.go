package events

import "slices"

// Subscription is the list of types that one event function hears.
type Subscription struct {
	Consumer string // the function's name
	Types    []string
}

// Subscriptions lists the event types that each event function hears.
// functions.Subscriptions makes it from the Specs; do not write it by hand.
type Subscriptions []Subscription

// Consumers names the functions that hear a type, in the order of the table.
func (s Subscriptions) Consumers(eventType string) []string {
	var names []string
	for _, sub := range s {
		if slices.Contains(sub.Types, eventType) {
			names = append(names, sub.Consumer)
		}
	}
	return names
}
