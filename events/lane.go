package events

import "slices"

// Lane is a queue of events that has workers of its own, in the relay and in the local
// broker. A backlog in one lane does not delay the other.
type Lane string

// The lanes.
const (
	LaneCodes  Lane = "codes"  // one-time codes: a customer waits for each of them
	LaneEvents Lane = "events" // all other events
)

// Lanes lists the lanes, the most urgent first.
func Lanes() []Lane { return []Lane{LaneCodes, LaneEvents} }

// urgent lists the types of LaneCodes.
func urgent() []string { return []string{TypeOTPIssued} }

// LaneOf returns the lane of a type.
func LaneOf(eventType string) Lane {
	if slices.Contains(urgent(), eventType) {
		return LaneCodes
	}
	return LaneEvents
}

// Lane returns the lane of the deliveries to a consumer. It is LaneCodes only for a
// consumer that hears nothing else: audit hears codes too, and nobody waits for audit.
func (s Subscriptions) Lane(consumer string) Lane {
	for _, sub := range s {
		if sub.Consumer != consumer {
			continue
		}
		if slices.ContainsFunc(sub.Types, func(t string) bool { return LaneOf(t) != LaneCodes }) {
			return LaneEvents
		}
		return LaneCodes
	}
	return LaneEvents
}
