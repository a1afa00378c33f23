package events_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/test/check"
)

// row is a row of the table of docs/events.md: the type, when it is sent, who hears it.
var row = regexp.MustCompile("(?m)^\\| `(com\\.tidebank\\.[a-z.]+\\.v[0-9]+)` \\|[^|]*\\| (.*) \\|$")

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

// The table of docs/events.md names each type with all functions that hear it.
func TestTheDocumentSaysWhoHears(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/events.md")
	check.Must(t, err)
	said := map[string]string{}
	for _, found := range row.FindAllSubmatch(page, -1) {
		said[string(found[1])] = string(found[2])
	}
	want := map[string]string{}
	for _, one := range events.Declared() {
		for _, name := range one.Types {
			want[name] = "`" + strings.Join(events.Declared().Consumers(name), "`, `") + "`"
		}
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("-want +said:\n%s", diff)
	}
}
