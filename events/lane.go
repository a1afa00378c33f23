package events

import "slices"

// Lane is a queue of events that has workers of its own, in the relay and in the local
// broker. A backlog in one lane does not delay the other.
type Lane string

// The lanes.
const (
	LaneCodes  Lane = "codes"  // one-time codes: a customer waits for each of them
	LaneEvents Lane = "events" // all other events
	LaneAudit  Lane = "audit"  // access records: there are many, and nobody waits for them
)

// Lanes lists the lanes, the most urgent first.
func Lanes() []Lane { return []Lane{LaneCodes, LaneEvents, LaneAudit} }

// LaneOf returns the lane of a type.
func LaneOf(eventType string) Lane {
	switch eventType {
	case TypeOTPIssued:
		return LaneCodes
	case TypeAccessRecorded:
		return LaneAudit
	}
	return LaneEvents
}

// Lane returns the lane of the deliveries to a consumer: the least urgent of the lanes
// of the types that it hears. So audit, which hears codes too, delays nobody.
func (s Subscriptions) Lane(consumer string) Lane {
	least := -1
	for _, sub := range s {
		if sub.Consumer != consumer {
			continue
		}
		for _, heard := range sub.Types {
			least = max(least, slices.Index(Lanes(), LaneOf(heard)))
		}
	}
	if least < 0 {
		return LaneEvents
	}
	return Lanes()[least]
}
