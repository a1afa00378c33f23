package events_test

import (
	"testing"

	"github.com/tidebank/tidebank/events"
)

// Deliveries have the least urgent lane of what their consumer hears.
func TestLaneOfAConsumer(t *testing.T) {
	t.Parallel()
	table := events.Subscriptions{
		{Consumer: "sender", Types: []string{events.TypeOTPIssued}},
		{Consumer: "audit", Types: events.Types()},
		{Consumer: "fraud", Types: []string{events.TypeTransferPosted}},
	}
	for consumer, want := range map[string]events.Lane{
		"sender": events.LaneCodes, "audit": events.LaneAudit, "fraud": events.LaneEvents, "unknown": events.LaneEvents,
	} {
		if got := table.Lane(consumer); got != want {
			t.Errorf("%s: %s, want %s", consumer, got, want)
		}
	}
}
