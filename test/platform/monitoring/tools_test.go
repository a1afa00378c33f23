package monitoring

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/test/req"
)

const (
	root   = "../../.."
	folder = root + "/infra/monitoring"
)

// builds are the programs that judge the files, and their packages.
var builds = map[string]string{
	"promtool":     "github.com/prometheus/prometheus/cmd/promtool",
	"alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager",
}

// unpack takes promtool from Debian's package, because its build takes a quarter of an
// hour. It installs no package, so no service starts.
const unpack = `set -e; apt-get download -qq prometheus || { apt-get update -qq; apt-get download -qq prometheus; }
dpkg -x ./*.deb . && cp usr/bin/promtool "$1"`

// built puts both programs into build/bin, unless they are there.
var built = sync.OnceValues(func() (bin string, err error) {
	if bin, err = filepath.Abs(root + "/build/bin"); err != nil {
		return "", err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	for name, path := range builds {
		target := filepath.Join(bin, name)
		if _, err := os.Stat(target); err == nil {
			continue
		}
		get := exec.Command("go", "build", "-trimpath", "-o", target, path)
		get.Dir = root + "/infra/tools/monitoring"
		if _, err := exec.LookPath("apt-get"); err == nil && name == "promtool" {
			if get.Dir, err = os.MkdirTemp("", "tidebank-promtool-"); err != nil {
				return "", err
			}
			defer os.RemoveAll(get.Dir) // the program has been copied
			get = &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", unpack, "sh", target}, Dir: get.Dir}
		}
		if said, err := get.CombinedOutput(); err != nil {
			return "", fmt.Errorf("get %s: %w: %s", name, err, said)
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
	path := written(t, t.TempDir(), tests)
	if said, err := promtool(t, "test", "rules", path); err != nil || !strings.Contains(said, "SUCCESS") {
		text, _ := os.ReadFile(path)
		t.Errorf("%v: %s\n%s", err, said, text)
	}
}

// written writes a suite into a folder, with the rules that its tests need.
func written(t *testing.T, folder string, tests []test) (path string) {
	t.Helper()
	rules, path := filepath.Join(folder, "rules.yml"), filepath.Join(folder, "suite.yml")
	for name, content := range map[string]any{
		rules: needed(t, tests), path: suite{Files: []string{rules}, Interval: "30s", Tests: tests},
	} {
		text, err := yaml.Marshal(content)
		must(t, err)
		must(t, os.WriteFile(name, text, 0o600))
	}
	return path
}

// ruleFile is a file of rules, and rule one of them. Of a rule only the name and the
// expression are read; the whole is passed on.
type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name     string `yaml:"name"`
	Interval string `yaml:"interval,omitempty"`
	Rules    []rule `yaml:"rules"`
}

type rule map[string]any

func (r rule) text(key string) string {
	text, _ := r[key].(string)
	return text
}

// needed are the alerts that the tests name, and the recording rules of which these alerts
// or the tests read something. promtool evaluates each rule at each step of each test; no
// other rule changes what the tests look at. All rules together would take a minute.
func needed(t *testing.T, tests []test) (some ruleFile) {
	t.Helper()
	var read strings.Builder
	for _, one := range tests {
		for _, e := range one.Wants {
			read.WriteString(e.Expr + "\n")
		}
	}
	var all []ruleGroup
	for _, name := range ruleFiles(t) {
		all = append(all, rulesOf(t, name).Groups...)
	}
	for i := len(all) - 1; i >= 0; i-- { // alerts read recording rules, and these read earlier ones
		group := ruleGroup{Name: fmt.Sprint(i, " ", all[i].Name), Interval: all[i].Interval} // two files may use one name
		for _, r := range slices.Backward(all[i].Rules) {
			alert, record := r.text("alert"), r.text("record")
			if alert != "" && strings.Contains(read.String(), `alertname="`+alert+`"`) || record != "" && strings.Contains(read.String(), record) {
				group.Rules = append([]rule{r}, group.Rules...)
				read.WriteString(r.text("expr") + "\n")
			}
		}
		if len(group.Rules) > 0 {
			some.Groups = append([]ruleGroup{group}, some.Groups...)
		}
	}
	if len(some.Groups) == 0 {
		t.Fatalf("no rule is tested by %s", read.String())
	}
	return some
}

// ruleFiles lists the files of rules below infra/monitoring, those of every platform: the
// recording rules, and then the alerts.
func ruleFiles(t *testing.T) (names []string) {
	t.Helper()
	for _, pattern := range []string{"rules/recording.yml", "rules/alerts.yml", "rules/*/alerts.yml"} {
		found, err := filepath.Glob(folder + "/" + pattern)
		must(t, err)
		for _, path := range req.AtLeast(t, 1, found) {
			names = append(names, strings.TrimPrefix(path, folder+"/"))
		}
	}
	return names
}

func rulesOf(t *testing.T, name string) (file ruleFile) {
	t.Helper()
	raw, err := os.ReadFile(folder + "/" + name)
	must(t, err)
	must(t, yaml.Unmarshal(raw, &file))
	return file
}
