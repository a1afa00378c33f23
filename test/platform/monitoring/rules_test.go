package monitoring

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/test/req"
)

// The rules and the configuration are what Prometheus takes.
func TestPrometheusTakesTheFiles(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		append([]string{"check", "rules"}, ruleFiles(t)...),
		{"check", "config", "--syntax-only", "prometheus.yml"},
	} {
		said, err := promtool(t, args...)
		if strings.Contains(said, "kubernetes_sd_configs") {
			t.Log("NOT CHECKED: prometheus.yml, because Debian's promtool is built without Kubernetes")
			continue
		}
		if err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, said)
		}
	}
}

// Each alert has a test in which it is quiet and then fires.
func TestEveryAlertFiresAndIsQuiet(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(folder + "/tests/alerts.yml")
	must(t, err)
	var tested suite
	must(t, yaml.Unmarshal(raw, &tested))
	args, byAlert := []string{"test", "rules"}, map[string][]test{}
	for _, one := range tested.Tests {
		name := regexp.MustCompile(`alertname="\w+"`).FindString(one.Wants[0].Expr)
		byAlert[name] = append(byAlert[name], one)
	}
	for _, tests := range byAlert {
		args = append(args, written(t, t.TempDir(), tests))
	}
	if said, err := promtool(t, args...); err != nil || strings.Count(said, "SUCCESS") != len(byAlert) {
		t.Errorf("%v\n%s", err, said)
	}
	quiet, fires := map[string]bool{}, map[string]bool{}
	for _, test := range tested.Tests {
		for _, e := range test.Wants {
			name := regexp.MustCompile(`alertname="(\w+)"`).FindStringSubmatch(e.Expr)
			if name == nil {
				t.Fatalf("%s names no alert", e.Expr)
			}
			quiet[name[1]] = quiet[name[1]] || len(e.Samples) == 0
			fires[name[1]] = fires[name[1]] || len(e.Samples) > 0
		}
	}
	raw, err = os.ReadFile(folder + "/rules/alerts.yml")
	must(t, err)
	names := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(string(raw), -1)
	for _, name := range req.AtLeast(t, 50, names) {
		if !quiet[name[1]] || !fires[name[1]] {
			t.Errorf("%s: quiet %v, fires %v", name[1], quiet[name[1]], fires[name[1]])
		}
	}
}

// panels returns the expressions of a dashboard's panels whose title has the text.
func panels(t *testing.T, board, title string) (found []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder, "dashboards", board+".json"))
	must(t, err)
	var d struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	must(t, json.Unmarshal(raw, &d))
	for _, p := range d.Panels {
		if strings.Contains(p.Title, title) {
			found = append(found, p.Targets[0].Expr)
		}
	}
	return found
}

// down is a probe of one function that succeeds for an hour, then fails for some minutes,
// and succeeds again.
func down(minutes int) []series {
	return []series{
		{`tidebank_probe_success{function="account-overview",step="answers"}`, fmt.Sprintf("1x60 0x%d 1x600", minutes-1)},
		{`tidebank_probe_success{function="transfer-list",step="answers"}`, "1x700"},
	}
}

// The overview shows the availability of 30 days, computed from the probe: ten minutes of
// failure of one function are 600 s of 30 days.
func TestTheDashboardShowsTheAvailability(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AVAIL-003.1")
	shown := panels(t, "tidebank-overview", "Availability over 30 days")
	if len(shown) != 1 {
		t.Fatalf("the panels of the availability: %q", shown)
	}
	judge(t, test{Name: "availability", Interval: "1m", Series: down(10), Wants: []evaluation{
		{Expr: shown[0], At: "60m", Samples: []sample{{shown[0], 1}}},
		{Expr: "round((1 - " + shown[0] + ") * 30 * 86400)", At: "3h", Samples: []sample{{"{}", 600}}},
	}})
}

// The probe fails from minute 61. Both alerts fire before the 12.96 minutes are used up, and
// stay: the failure belongs to the 30 days. A failure of five minutes raises none.
func TestTheBudgetRaisesAnAlertBeforeItIsUsedUp(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AVAIL-003.2")
	const half, most = `alertname="AvailabilityBudget",severity="warning"`, `alertname="AvailabilityBudget",severity="critical"`
	judge(t,
		test{Name: "a long failure", Interval: "1m", Series: down(60), Wants: []evaluation{
			firing(half, "61m", 0), firing(most, "61m", 0), firing(half, "68m", 1), firing(most, "68m", 0),
			firing(half, "72m30s", 1), firing(most, "72m30s", 1),
			{Expr: "tidebank:downtime_seconds:30d < 777.6", At: "72m30s", Samples: []sample{{"tidebank:downtime_seconds:30d", 720}}},
		}},
		test{Name: "a short failure", Interval: "1m", Series: down(5), Wants: []evaluation{firing(half, "5h", 0), firing(most, "5h", 0)}},
	)
}

// alertsOf lists the names of the alerts by severity, for the tests of Alertmanager.
func alertsOf(t *testing.T, severity string) (names []string) {
	t.Helper()
	raw, err := os.ReadFile(folder + "/rules/alerts.yml")
	must(t, err)
	var written struct {
		Groups []struct {
			Rules []struct {
				Alert  string            `yaml:"alert"`
				Labels map[string]string `yaml:"labels"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	must(t, yaml.Unmarshal(raw, &written))
	for _, g := range written.Groups {
		for _, r := range g.Rules {
			if r.Labels["severity"] == severity && !slices.Contains(names, r.Alert) {
				names = append(names, r.Alert)
			}
		}
	}
	return names
}
