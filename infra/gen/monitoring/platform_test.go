package monitoring_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/infra/gen/monitoring"
	"github.com/tidebank/tidebank/test/check"
)

// removed lists the kinds and names that an overlay deletes.
func removed(t *testing.T, overlay string) (list []string) {
	t.Helper()
	raw, err := os.ReadFile(root + overlay)
	check.Must(t, err)
	var k struct {
		Patches []struct {
			Target struct {
				Kind string `yaml:"kind"`
				Name string `yaml:"name"`
			} `yaml:"target"`
			Patch string `yaml:"patch"`
		} `yaml:"patches"`
	}
	check.Must(t, yaml.Unmarshal(raw, &k))
	for _, p := range k.Patches {
		if strings.Contains(p.Patch, "$patch: delete") {
			list = append(list, p.Target.Kind+" "+p.Target.Name)
		}
	}
	return list
}

// onAWS lists what the overlay aws deploys.
func onAWS(t *testing.T) []monitoring.Part {
	t.Helper()
	gone := removed(t, "infra/knative/overlays/aws/kustomization.yaml")
	parts := slices.DeleteFunc(deployed(t, "infra/knative/base", "infra/knative/queues"), func(p monitoring.Part) bool {
		if strings.HasSuffix(p.Name, "event-broker") {
			return slices.Contains(gone, "Broker ")
		}
		return p.Kind == "function" && slices.Contains(gone, "Service "+p.Name)
	})
	return parts
}

// onOpenFaaS lists what the stack deploys. Its stores and ports are those of the base.
func onOpenFaaS(t *testing.T) []monitoring.Part {
	t.Helper()
	raw, err := os.ReadFile(root + "stack.yml")
	check.Must(t, err)
	var stack struct {
		Functions map[string]any `yaml:"functions"`
	}
	check.Must(t, yaml.Unmarshal(raw, &stack))
	return slices.DeleteFunc(deployed(t, "infra/knative/base"), func(p monitoring.Part) bool {
		if p.Kind == "function" || p.Kind == "worker" {
			return stack.Functions[p.Name] == nil
		}
		return strings.HasSuffix(p.Name, "event-broker") // the relay brings the broker (docs/openfaas.md)
	})
}

// A platform's rules are about what it deploys, and about nothing else: an alert about a
// part that is not there would never end, and would silence the alerts of what it causes.
func TestAPlatformIsAlertedForItsOwnPartsOnly(t *testing.T) {
	t.Parallel()
	for name, platform := range map[string]struct {
		parts []monitoring.Part
		rules []string
	}{
		"Knative":  {deployed(t, "infra/knative/base"), readProbes(t).Rules},
		"AWS":      {onAWS(t), []string{"rules/*.yml", "rules/aws/*.yml"}}, // terraform/modules/monitoring
		"OpenFaaS": {onOpenFaaS(t), []string{"rules/*.yml"}},
	} {
		alerts, lacking := rules(t, platform.rules...), map[string]bool{}
		there := func(kind, component string) bool {
			return slices.ContainsFunc(platform.parts, func(p monitoring.Part) bool { return p.Kind == kind && p.Name == component })
		}
		for _, r := range alerts {
			kind, component := r.Labels["kind"], r.Labels["component"]
			if kind != "" && kind != monitoring.KindService && !there(kind, component) {
				lacking[kind+" "+component] = true
			}
		}
		if len(lacking) > 0 {
			t.Errorf("%s has alerts about what it lacks: %q", name, slices.Sorted(maps.Keys(lacking)))
		}
		for _, missing := range monitoring.Uncovered(platform.parts, func(monitoring.Part) bool { return true }, alerts) {
			t.Errorf("%s: %s", name, missing)
		}
	}
}
