package events_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
)

func TestConsumers(t *testing.T) {
	t.Parallel()
	table := events.Subscriptions{
		{Consumer: "audit-on-event", Types: events.Types()},
		{Consumer: "notify-on-otp", Types: []string{events.TypeOTPIssued}},
		{Consumer: "notify-on-transfer", Types: []string{events.TypeTransferPosted}},
	}
	for kind, want := range map[string][]string{
		events.TypeTransferPosted: {"audit-on-event", "notify-on-transfer"},
		events.TypeOTPIssued:      {"audit-on-event", "notify-on-otp"},
		events.TypeFraudScored:    {"audit-on-event"},
		"com.tidebank.other.v1":   nil,
		"":                        nil,
	} {
		if diff := cmp.Diff(want, table.Consumers(kind)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}
