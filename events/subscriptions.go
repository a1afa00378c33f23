package events

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

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

// ErrConsumer reports a consumer that is no event function of this release.
var ErrConsumer = errors.New("FUNCTIONS_CONSUMERS names an event function that does not exist")

// Only returns the subscriptions of the named consumers, with commas between the names;
// all subscriptions if it names none.
func (s Subscriptions) Only(consumers string) (Subscriptions, error) {
	if consumers == "" {
		return s, nil
	}
	var named Subscriptions
	for name := range strings.SplitSeq(consumers, ",") {
		i := slices.IndexFunc(s, func(sub Subscription) bool { return sub.Consumer == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("%w: %s", ErrConsumer, name)
		}
		named = append(named, s[i])
	}
	return named, nil
}
