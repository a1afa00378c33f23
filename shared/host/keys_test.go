package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

// due is when each purpose needs a new key, as the process tells Prometheus.
func due(t *testing.T, h *host.Host) map[string]time.Time {
	t.Helper()
	families, err := h.Metrics.Registry.Gather()
	check.Must(t, err)
	at := map[string]time.Time{}
	for _, f := range families {
		if f.GetName() != "tidebank_key_due_timestamp_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			at[label(m, "purpose")] = time.Unix(int64(m.GetGauge().GetValue()), 0)
		}
	}
	return at
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// A key past its renewal date raises an alert, and a key that is not yet due raises none.
// `make test-alerts` evaluates the rule; here it is evaluated by hand over the metric.
func TestAKeyPastItsRenewalRaisesAnAlert(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-007.4")
	rules, err := os.ReadFile("../../infra/monitoring/rules/alerts.yml")
	check.Must(t, err)
	rule := "alert: KeyOverdue\n        expr: time() - min by (purpose) (tidebank_key_due_timestamp_seconds) > 0\n"
	if !strings.Contains(string(rules), rule) {
		t.Fatal("the rule KeyOverdue is another one")
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(path))
	f, now := keytest.ReadFile(t, path), clock.System{}.Now()
	f.Times[keys.Ledger] = []keytest.Times{{Made: now.Add(-keys.Ledger.Life() - time.Minute)}}
	f.Times[keys.Audit] = []keytest.Times{{Made: now.Add(-keys.Audit.Life() + time.Minute)}}
	h, err := host.Open(t.Context(), host.Config{Keys: keys.Config{File: f.Write(t)}}, host.Needs{Purposes: keys.All()})
	check.Must(t, err)
	t.Cleanup(h.Close)
	at := due(t, h)
	if len(at) != len(keys.All())-2 { // the channel key's certificate ends by itself, and the blind index is not rotated
		t.Errorf("dates of %v", at)
	}
	for purpose, when := range at {
		if alerts, want := now.Sub(when) > 0, purpose == string(keys.Ledger); alerts != want {
			t.Errorf("%s, due at %v, raises an alert: %v", purpose, when, alerts)
		}
	}
}
