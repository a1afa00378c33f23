package inventory_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/aws"
	"github.com/tidebank/tidebank/infra/gen/inventory"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/workers"
)

// subscribed are the subscriptions of these functions.
func subscribed(all []fn.Function) (table events.Subscriptions) {
	for _, f := range all {
		if f.Trigger == fn.TriggerEvent && !f.Spec.DeadLetters {
			table = append(table, events.Subscription{Consumer: f.Spec.Name, Types: f.Spec.Consumes})
		}
	}
	return table
}

func byName(t *testing.T, list aws.Inventory, name string) aws.Function {
	t.Helper()
	i := slices.IndexFunc(list.Functions, func(f aws.Function) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("%s is not in the list", name)
	}
	return list.Functions[i]
}

// A process may read the secrets that its configuration names, and no others.
func TestSecretsOfOneProcess(t *testing.T) {
	t.Parallel()
	list := inventory.List(functions.All(), workers.All(), functions.Subscriptions())
	redis := "tidebank-redis-url"
	for _, want := range []aws.Function{
		{
			Name: "channel-open", Kind: "http", Secrets: []string{redis}, KeysKMS: true,
			KeyPurposes: []string{"blind-index", "channel", "password", "session"},
		},
		{
			Name: "audit-on-event", Kind: "event", Secrets: []string{"tidebank-audit-on-event-database-url"},
			KeyPurposes: []string{"audit", "event"}, KeysKMS: true,
		},
		{
			Name: "events-relay", Kind: "worker", Secrets: []string{"tidebank-events-relay-database-url"},
			KeyPurposes: []string{"event"}, KeysKMS: true, Publishes: true,
		},
		{Name: "events-queues", Kind: "worker", Secrets: []string{}, KeyPurposes: []string{}, Polls: true},
	} {
		if diff := cmp.Diff(want, byName(t, list, want.Name)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	got := byName(t, list, "notify-on-otp").Secrets
	if !slices.Contains(got, "tidebank-sms-secret") || !slices.Contains(got, "tidebank-sms-url") {
		t.Errorf("notify-on-otp may read %v", got)
	}
	for _, f := range list.Functions {
		if f.Publishes != (f.Name == "events-relay") || f.Polls != (f.Name == "events-queues") {
			t.Errorf("%s: publishes %t, polls %t", f.Name, f.Publishes, f.Polls)
		}
		for _, s := range f.Secrets {
			if !slices.Contains(list.Secrets, s) {
				t.Errorf("%s of %s is in no list of secrets", s, f.Name)
			}
			if strings.HasSuffix(s, "-database-url") && s != "tidebank-"+f.Name+"-database-url" {
				t.Errorf("%s may read %s, with the database role of another process", f.Name, s)
			}
		}
	}
}

// Each subscription has a queue of its own, with its types and no others.
func TestEachConsumerHasAQueue(t *testing.T) {
	t.Parallel()
	list := inventory.List(functions.All(), workers.All(), functions.Subscriptions())
	var table events.Subscriptions
	for _, c := range list.Consumers {
		table = append(table, events.Subscription{Consumer: c.Name, Types: c.Types})
		if c.Queue != "tidebank-"+c.Name || c.DeadLetterQueue != c.Queue+"-dead" || len(c.DeadLetterQueue) > 80 ||
			c.MaxReceives < 2 || c.VisibilityTimeout < 1 {
			t.Errorf("%+v", c)
		}
	}
	if diff := cmp.Diff(functions.Subscriptions(), table); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A function whose folder is gone is nowhere in the list.
func TestAFunctionThatIsGone(t *testing.T) {
	t.Parallel()
	all := functions.All()
	for i, f := range all {
		rest := slices.Delete(slices.Clone(all), i, i+1)
		raw, err := json.Marshal(inventory.List(rest, workers.All(), subscribed(rest)))
		check.Must(t, err)
		if strings.Contains(string(raw), f.Spec.Name) {
			t.Errorf("%s is still there", f.Spec.Name)
		}
	}
}
