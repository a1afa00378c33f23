package deployment_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/infra/deployment"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

var now = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

// changed is the example with one text replaced.
func changed(t *testing.T, old, other string) []string {
	t.Helper()
	text, err := os.ReadFile("example.yaml")
	check.Must(t, err)
	if !strings.Contains(string(text), old) {
		t.Fatalf("the example has no %q", old)
	}
	path := filepath.Join(t.TempDir(), "deployment.yaml")
	check.Must(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, other)), 0o600))
	d, err := deployment.Load(path)
	check.Must(t, err)
	return d.Check(now)
}

// wants fails the test unless one of the sentences holds the words.
func wants(t *testing.T, name string, sentences []string, words string) {
	t.Helper()
	if !strings.Contains(strings.Join(sentences, "\n"), words) {
		t.Errorf("%s: got %q, want %q", name, sentences, words)
	}
}

func TestTheExampleIsWhole(t *testing.T) {
	t.Parallel()
	d, err := deployment.Load("example.yaml")
	check.Must(t, err)
	if got := d.Check(now); len(got) > 0 {
		t.Error(got)
	}
}

// A site without a tested backup power of more than one hour is refused.
func TestBackupPower(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][3]string{
		"one hour":   {"tested_minutes: 240", "tested_minutes: 60", "60 minutes; more than 60"},
		"no figure":  {"tested_minutes: 240, ", "", "0 minutes"},
		"no day":     {`tested: "2026-10-12", `, "", "the day of the test"},
		"old":        {"2026-10-12\"", "2025-10-12\"", "last tested on 2025-10-12"},
		"to come":    {"2026-10-12\"", "2026-12-12\"", "not done yet"},
		"no record":  {`record: "records/power/city-a-2026-10-12.pdf"`, `record: ""`, "the record of the test"},
		"other site": {"tested_minutes: 180", "tested_minutes: 30", "city-b: backup power was tested for 30"},
	} {
		wants(t, name, changed(t, c[0], c[1]), c[2])
	}
	if got := changed(t, "tested_minutes: 240", "tested_minutes: 61"); len(got) > 0 {
		t.Errorf("61 minutes: %q", got)
	}
}

// Each key network device, line and system has two instances in different failure
// domains, or the description is refused.
func TestTwoOfEverything(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AVAIL-009.2")
	for name, c := range map[string][3]string{
		"one device":          {"      - {name: sw-a2, site: city-a, domain: rack 2 feed B}\n", "", "core switch: 1 instance"},
		"one line":            {"      - {name: line of carrier 2, site: city-b, domain: carrier 2}\n", "", "internet line: 1 instance"},
		"one system":          {"      - {name: synchronous standby, site: city-b, domain: zone b}\n", "", "PostgreSQL: 1 instance"},
		"the same twice":      {"sw-a2", "sw-a1", "core switch: 1 instance"},
		"one domain":          {"rack 2 feed B", "rack 1 feed A", "core switch: all instances are in one failure domain"},
		"no domain":           {"domain: carrier 2", `domain: ""`, "internet line: an instance has no name or no failure domain"},
		"unknown site":        {"site: city-b, domain: carrier 2", "site: city-c, domain: carrier 2", `the site "city-c"`},
		"no line at all":      {"class: line", "class: system", "no component of the class line"},
		"no device at all":    {"class: network", "class: system", "no component of the class network"},
		"a class that is not": {"class: line", "class: cable", `the class "cable"`},
	} {
		wants(t, name, changed(t, c[0], c[1]), c[2])
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deployment.yaml")
	check.Must(t, os.WriteFile(path, []byte("sites: []\nsite: x\n"), 0o600))
	if _, err := deployment.Load(path); err == nil {
		t.Error("an unknown field was taken")
	}
	if got := (deployment.Description{}).Check(now); len(got) < 4 {
		t.Errorf("an empty description: %q", got)
	}
}
