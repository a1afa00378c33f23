package monitoring

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"
)

const (
	root   = "../../.."
	folder = root + "/infra/monitoring"
)

// built builds both programs, unless they are there.
var built = sync.OnceValues(func() (bin string, err error) {
	if bin, err = filepath.Abs(root + "/build/bin"); err != nil {
		return "", err
	}
	for name, path := range map[string]string{
		"promtool":     "github.com/prometheus/prometheus/cmd/promtool",
		"alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager",
	} {
		if _, err := os.Stat(filepath.Join(bin, name)); err == nil {
			continue
		}
		build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(bin, name), path)
		build.Dir = root + "/infra/tools/monitoring"
		if said, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w: %s", name, err, said)
		}
	}
	return bin, nil
})

// promtool runs promtool in infra/monitoring.
func promtool(t *testing.T, args ...string) (said string, err error) {
	t.Helper()
	bin, err := built()
	must(t, err)
	cmd := exec.Command(filepath.Join(bin, "promtool"), args...)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// suite is a file of `promtool test rules`.
type suite struct {
	Files    []string `yaml:"rule_files"`
	Interval string   `yaml:"evaluation_interval"`
	Tests    []test   `yaml:"tests"`
}

type test struct {
	Name     string       `yaml:"name"`
	Interval string       `yaml:"interval"`
	Series   []series     `yaml:"input_series"`
	Wants    []evaluation `yaml:"promql_expr_test"`
}

type series struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

type evaluation struct {
	Expr    string   `yaml:"expr"`
	At      string   `yaml:"eval_time"`
	Samples []sample `yaml:"exp_samples"`
}

type sample struct {
	Labels string  `yaml:"labels"`
	Value  float64 `yaml:"value"`
}

// firing wants so many firing alerts with the labels at a time; 0 wants none.
func firing(labels, at string, count float64) evaluation {
	e := evaluation{Expr: `count(ALERTS{alertstate="firing",` + labels + `})`, At: at, Samples: []sample{}}
	if count > 0 {
		e.Samples = []sample{{"{}", count}}
	}
	return e
}

// judge runs tests against the bank's rules.
func judge(t *testing.T, tests ...test) {
	t.Helper()
	rules, err := filepath.Abs(folder + "/rules")
	must(t, err)
	text, err := yaml.Marshal(suite{
		Files: []string{rules + "/recording.yml", rules + "/alerts.yml"}, Interval: "30s", Tests: tests,
	})
	must(t, err)
	path := filepath.Join(t.TempDir(), "suite.yml")
	must(t, os.WriteFile(path, text, 0o600))
	if said, err := promtool(t, "test", "rules", path); err != nil || !strings.Contains(said, "SUCCESS") {
		t.Errorf("%v: %s\n%s", err, said, text)
	}
}
