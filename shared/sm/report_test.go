package sm_test

import (
	"testing"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// The self-test reports its three tests by name, each with its own result.
func TestSelfTestReportsEachTest(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-007.1")
	names := []string{"integrity", "bypass", "critical functions"}
	good, err := sm.SelfTestReport()
	check.Must(t, err)
	check := func(what string, report []sm.TestResult, failing string) {
		t.Helper()
		if len(report) != len(names) {
			t.Fatalf("%s: %d results, want %d", what, len(report), len(names))
		}
		for i, r := range report {
			if r.Name != names[i] || (r.Err != nil) != (r.Name == failing) {
				t.Errorf("%s: %s: %v", what, r.Name, r.Err)
			}
		}
	}
	check("no fault", good, "")
	for name, fault := range sm.Faults() {
		check(name, fault.Report(), fault.Name)
	}
}
