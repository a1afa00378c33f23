package gate_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

const (
	quietProgram = `// Package main is small.
package main

import "github.com/google/uuid"

func main() { _ = uuid.NewString() }
`
	// riskyProgram runs what its user writes: gosec reports it.
	riskyProgram = `// Package main is small.
package main

import (
	"context"
	"os"
	"os/exec"

	"github.com/google/uuid"
)

func main() {
	_ = exec.CommandContext(context.Background(), "sh", "-c", os.Args[1]+uuid.NewString()).Run()
}
`
	vulnerability = `{"schema_version":"1.3.1","id":"GO-2026-9002","modified":"2026-11-25T00:00:00Z","published":"2026-11-20T00:00:00Z",
"summary":"planted","database_specific":{"url":"https://pkg.go.dev/vuln/GO-2026-9002"},"affected":[{"package":
{"name":"github.com/google/uuid","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":
[{"introduced":"0"}]}],"ecosystem_specific":{"imports":[{"path":"github.com/google/uuid","symbols":["NewString"]}]}}]}`
)

// The real scans, by the commands of the real plan, pass a clean source, and each of
// them stops a release with its planted finding.
func TestTheScansFindWhatIsPlanted(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-002.1")
	if testing.Short() {
		t.Skip("runs the scanners")
	}
	w := newWorkshop(t)
	bin, err := filepath.Abs(root + "/build/bin")
	check.Must(t, err)
	kinds := []gate.Kind{gate.Secrets, gate.Dependencies, gate.Static}
	real, _, err := gate.LoadPlan(root)
	check.Must(t, err)
	for _, kind := range kinds {
		here := slices.IndexFunc(w.plan.Stages, func(s gate.Stage) bool { return slices.Contains(s.Kinds, kind) })
		there := slices.IndexFunc(real.Stages, func(s gate.Stage) bool { return slices.Contains(s.Kinds, kind) })
		w.plan.Stages[here].Run = strings.Replace(real.Stages[there].Run, "make ", "make BIN="+bin+" ", 1)
	}
	for _, name := range []string{"Makefile", ".golangci.yml", "infra/release/gitleaks.toml", "go.sum"} {
		write(t, filepath.Join(w.source, name), read(t, filepath.Join(root, name)))
	}
	write(t, w.source+"/go.mod", "module example.com/planted\n\ngo 1.26.0\n\nrequire github.com/google/uuid v1.6.0\n")
	write(t, w.source+"/main.go", quietProgram)
	list(t, w.advisories, "")
	w.again(t)
	w.passes(t, "v1.0.0-clean")

	write(t, w.source+"/main.go", riskyProgram)
	// The secret is put together here, so that the scan of our own source does not find it.
	write(t, w.source+"/deploy.env", "AWS_ACCESS_KEY_ID=AKIA"+"Q3EGRIYT5LFZ2XKD\n")
	list(t, w.advisories, vulnerability)
	w.again(t)
	m := w.stops(t, "stage", "failed")
	for kind, finding := range map[gate.Kind]string{
		gate.Secrets: "deploy.env", gate.Dependencies: "GO-2026-9002", gate.Static: "gosec",
	} {
		if !slices.ContainsFunc(m.Problems, func(p gate.Problem) bool { return strings.HasPrefix(p.What, string(kind)+" failed") }) {
			t.Errorf("the %s did not stop the release: %v", kind, m.Problems)
		}
		if report := read(t, filepath.Join(w.out, "v1.0.0/reports", string(kind)+".txt")); !strings.Contains(report, finding) {
			t.Errorf("the report of the %s does not name %q:\n%s", kind, finding, report)
		}
		if kind == gate.Secrets && strings.Contains(read(t, w.out+"/v1.0.0/reports/secret-scan.txt"), "Q3EGRIYT5LFZ2XKD") {
			t.Error("the report shows the secret")
		}
	}
	// A list that can't be read is no clean scan.
	check.Must(t, os.RemoveAll(w.advisories))
	if m, err := gate.Make(t.Context(), w.order("v1.0.0")); !errors.Is(err, gate.ErrNoList) || len(m.Stages) > 0 {
		t.Errorf("without a list: %v after %d stages", err, len(m.Stages))
	}
	check.Must(t, os.Mkdir(w.advisories, 0o755))
	w.stops(t, "vulnerability list", "were not compared")
}

// list writes a list of vulnerabilities in the form of Go's database.
func list(t *testing.T, folder, entry string) {
	t.Helper()
	write(t, folder+"/index/db.json", `{"modified":"2026-11-25T00:00:00Z"}`)
	modules := `[]`
	if entry != "" {
		modules = `[{"path":"github.com/google/uuid","vulns":[{"id":"GO-2026-9002","modified":"2026-11-25T00:00:00Z"}]}]`
		write(t, folder+"/ID/GO-2026-9002.json", entry)
	}
	write(t, folder+"/index/modules.json", modules)
}
