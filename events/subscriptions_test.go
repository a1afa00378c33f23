package events_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
)

func TestSubscriptionsKnowEveryType(t *testing.T) {
	t.Parallel()
	table, err := events.LoadSubscriptions()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range types() {
		heard, reason := table.Consumers(kind), table.Unheard[kind]
		if (len(heard) == 0) != (reason != "") {
			t.Errorf("%s is heard by %v, and unheard for the reason %q", kind, heard, reason)
		}
	}
	var consumers []string
	for _, s := range table.List {
		consumers = append(consumers, s.Consumer)
		for i, kind := range s.Types {
			if !slices.Contains(types(), kind) || slices.Contains(s.Types[:i], kind) {
				t.Errorf("%s hears %s, which is unknown or there twice", s.Consumer, kind)
			}
		}
	}
	slices.Sort(consumers)
	if diff := cmp.Diff(slices.Compact(slices.Clone(consumers)), consumers); diff != "" {
		t.Errorf("a consumer is there twice:\n%s", diff)
	}
	for kind := range table.Unheard {
		if !slices.Contains(types(), kind) {
			t.Errorf("unheard: %s is unknown", kind)
		}
	}
}

func TestConsumers(t *testing.T) {
	t.Parallel()
	table, err := events.LoadSubscriptions()
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string][]string{
		events.TypeTransferPosted: {"notify-on-transfer", "fraud-on-transfer", "audit-on-event"},
		events.TypeOTPIssued:      {"notify-on-otp", "audit-on-event"},
		"com.tidebank.other.v1":   nil,
		"":                        nil,
	} {
		if diff := cmp.Diff(want, table.Consumers(kind)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}
