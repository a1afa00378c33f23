package gate_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

const root = "../../.."

const (
	smallModule  = "module github.com/tidebank/tidebank\n\ngo 1.26.0\n\nrequire github.com/dchest/captcha v1.1.0\n"
	smallProgram = "package main\n\nimport \"github.com/dchest/captcha\"\n\nfunc main() { println(captcha.New()) }\n"
)

var today = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// command runs a program in a folder, and returns what it prints.
func command(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = folder
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, text)
	}
	return strings.TrimSpace(string(text))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	check.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check.Must(t, os.WriteFile(path, []byte(text), 0o600))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	check.Must(t, err)
	return string(text)
}

// built holds the images of all tests: those of the bank, and the image of a small
// program, by the same command, that the tests read many times.
type built struct{ folder string }

var build = sync.OnceValues(func() (built, error) {
	folder, err := os.MkdirTemp("", "tidebank-gate-")
	b := built{folder}
	if err != nil {
		return b, err
	}
	small := filepath.Join(folder, "source")
	sums, err := os.ReadFile(root + "/go.sum")
	if err != nil {
		return b, err
	}
	for name, text := range map[string]string{
		"go.mod":                            smallModule,
		"go.sum":                            string(sums),
		"infra/mains/captcha-issue/main.go": smallProgram,
	} {
		path := filepath.Join(small, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return b, err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return b, err
		}
	}
	tool := filepath.Join(folder, "images")
	for _, args := range [][]string{
		{"go", "build", "-o", tool, "."},
		{tool, "--root", small, "--out", filepath.Join(folder, "small"), "captcha-issue"},
		{tool, "--out", filepath.Join(folder, "bank"), "migrate", "captcha-issue"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = root + "/infra/images"
		if text, err := cmd.CombinedOutput(); err != nil {
			return b, fmt.Errorf("%v: %w: %s", args, err, text)
		}
	}
	return b, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if b, _ := build(); b.folder != "" {
		_ = os.RemoveAll(b.folder)
	}
	os.Exit(code)
}

// layout is the image of the small program.
func layout(t *testing.T) string {
	t.Helper()
	b, err := build()
	check.Must(t, err)
	return filepath.Join(b.folder, "small")
}

// workshop is a source with its release machine: a small tree whose stages do nothing
// but pass, a commit of wang's that li has reviewed, and all records of a release v1.0.0.
type workshop struct {
	source, trust, out, advisories string
	keys                           map[string]*sm.PrivateKey
	plan                           gate.Plan
	now                            time.Time
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	dir := t.TempDir()
	w := &workshop{
		source: dir + "/source", trust: dir + "/trust", out: dir + "/releases", advisories: dir + "/vulndb",
		keys: map[string]*sm.PrivateKey{}, now: today,
	}
	real, wrong, err := gate.LoadPlan(root)
	if err != nil || len(wrong) > 0 {
		t.Fatal(err, wrong)
	}
	w.plan = real
	w.plan.Stages = []gate.Stage{{
		Name: "images", Kinds: []gate.Kind{gate.Build}, Run: "mkdir -p build && cp -r " + layout(t) + " build/images",
	}}
	for _, kind := range gate.Kinds() {
		w.plan.Stages = append(w.plan.Stages, gate.Stage{Name: string(kind), Kinds: []gate.Kind{kind}, Run: "echo it is well"})
	}
	w.plan.Recorded = []gate.Kind{gate.Acceptance, gate.Internal}
	write(t, w.source+"/.gitignore", "/build/\n")
	write(t, w.source+"/infra/release/components.yaml", read(t, root+"/infra/release/components.yaml"))
	w.writePlan(t)
	w.git(t, "init", "-q", "-b", "main")
	w.git(t, "config", "user.name", "wang") // Git writes a name into each note
	w.git(t, "config", "user.email", "wang@bank.example")
	baseline := w.commit(t, "baseline")
	write(t, w.source+"/feature.txt", "x")
	w.commit(t, "a feature")
	w.signers(t, baseline)
	w.advisory(t, `{"id":"GO-2026-0001","published":"2026-11-20T00:00:00Z","modified":"2026-11-20T00:00:00Z",
		"affected":[{"package":{"ecosystem":"Go","name":"example.com/other"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`)
	write(t, w.trust+"/deployment.yaml", read(t, root+"/infra/deployment/example.yaml"))
	w.review(t, "HEAD", "li")
	w.records(t)
	return w
}

func (w *workshop) writePlan(t *testing.T) {
	t.Helper()
	text, err := yaml.Marshal(w.plan)
	check.Must(t, err)
	write(t, w.source+"/infra/release/plan.yaml", string(text))
}

func (w *workshop) git(t *testing.T, args ...string) string {
	t.Helper()
	return command(t, w.source, "git", append([]string{"-c", "commit.gpgsign=false"}, args...)...)
}

func (w *workshop) commit(t *testing.T, message string) string {
	t.Helper()
	w.git(t, "add", "-A")
	w.git(t, "commit", "-q", "--allow-empty", "-m", message)
	return w.git(t, "rev-parse", "HEAD")
}

// signers writes the trust file: li may sign everything, wang only reviews.
func (w *workshop) signers(t *testing.T, baseline string) {
	t.Helper()
	trust := record.Trust{Baseline: baseline}
	for name, kinds := range map[string][]record.Kind{"li": record.Kinds(), "wang": {record.Review}} {
		key, err := sm.GenerateKey()
		check.Must(t, err)
		public, err := key.Public().Marshal()
		check.Must(t, err)
		w.keys[name] = key
		trust.Signers = append(trust.Signers, record.Signer{
			Name: name, Email: name + "@bank.example", Kinds: kinds, Key: base64.StdEncoding.EncodeToString(public),
		})
	}
	text, err := yaml.Marshal(trust)
	check.Must(t, err)
	write(t, w.trust+"/trust.yaml", string(text))
}

func (w *workshop) advisory(t *testing.T, text string) {
	t.Helper()
	var entry struct {
		ID string `json:"id"`
	}
	check.Must(t, json.Unmarshal([]byte(text), &entry))
	write(t, w.advisories+"/ID/"+entry.ID+".json", text)
}

func (w *workshop) review(t *testing.T, commits, by string) {
	t.Helper()
	_, err := gate.Sign(t.Context(), w.source, commits, by, w.keys[by])
	check.Must(t, err)
}

// record signs a record, changes it afterwards if spoil is given, and stores it.
func (w *workshop) record(t *testing.T, file string, r record.Record, spoil ...func(*record.Record)) {
	t.Helper()
	if r.By == "" {
		r.By = "li"
	}
	if r.At == "" {
		r.At = "2026-11-25"
	}
	check.Must(t, r.Sign(w.keys[r.By]))
	for _, s := range spoil {
		s(&r)
	}
	check.Must(t, os.MkdirAll(w.trust+"/records", 0o755))
	check.Must(t, r.WriteFile(w.trust+"/records/"+file))
}

// records stores all records that the release of this commit needs.
func (w *workshop) records(t *testing.T) {
	t.Helper()
	commit := w.git(t, "rev-parse", "HEAD")
	for _, kind := range []gate.Kind{gate.Acceptance, gate.Internal} {
		w.record(t, string(kind)+".yaml", record.Record{
			Kind: record.TestRun, Subject: commit,
			Says: map[string]string{"kind": string(kind), "result": "passed", "report": "runs/1.pdf"},
		})
	}
	w.record(t, "security.yaml", record.Record{
		Kind: record.SecurityTest, Subject: "v1", Says: map[string]string{"high": "0", "medium": "0", "report": "pentest.pdf"},
	})
}

// again commits what a test has changed, reviewed and with its records.
func (w *workshop) again(t *testing.T) {
	t.Helper()
	w.writePlan(t)
	w.commit(t, "a change")
	w.review(t, "HEAD", "li")
	w.records(t)
}

func (w *workshop) order(version string) gate.Order {
	return gate.Order{
		Root: w.source, Out: w.out, Version: version, Trust: w.trust, Advisories: w.advisories, Now: w.now, Log: &bytes.Buffer{},
	}
}

// stops makes the release, and fails the test unless it is stopped by a problem with the
// rule and words, and leaves no manifest.
func (w *workshop) stops(t *testing.T, rule, words string) gate.Manifest {
	t.Helper()
	m, err := gate.Make(t.Context(), w.order("v1.0.0"))
	found := false
	for _, p := range m.Problems {
		found = found || p.Rule == rule && strings.Contains(p.What, words) && p.Cure != ""
	}
	if err == nil || !found {
		t.Errorf("got %v with %v, want a problem %q with %q", err, m.Problems, rule, words)
	}
	if _, err := os.Stat(filepath.Join(w.out, "v1.0.0", "manifest.json")); err == nil {
		t.Error("a stopped release has a manifest")
	}
	return m
}

// passes makes the release, and fails the test if it is stopped.
func (w *workshop) passes(t *testing.T, version string) gate.Manifest {
	t.Helper()
	m, err := gate.Make(t.Context(), w.order(version))
	if err != nil || len(m.Problems) > 0 {
		t.Fatalf("%v: %v", err, m.Problems)
	}
	return m
}
