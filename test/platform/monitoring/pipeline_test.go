package monitoring

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/test/req"
)

// A release whose build fails, and a scan of which a check fails, raise an alert that names
// the stage; nobody does anything between the run and the alert. The others stay quiet, and
// so does a run that passes.
func TestAFailedPipelineRaisesAnAlert(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-004.3")
	plan, _, err := gate.LoadPlan(root)
	must(t, err)
	source, out := t.TempDir(), t.TempDir()
	commit := func(broken string) {
		for i := range plan.Stages {
			plan.Stages[i].Run = "grep -q 'tidebank_pipeline_unfinished{.*} 1' " + out + "/*.prom" // while it runs
			if plan.Stages[i].Name == broken {
				plan.Stages[i].Run = "false"
			}
		}
		text, err := yaml.Marshal(plan)
		must(t, err)
		must(t, os.MkdirAll(source+"/infra/release", 0o750))
		must(t, os.WriteFile(source+"/infra/release/plan.yaml", text, 0o600))
		git(t, source, "add", "-A")
		git(t, source, "commit", "-q", "-m", "a change")
	}
	git(t, source, "init", "-q")
	scan := gate.Scan{Root: source, Out: out, Now: time.Now(), Log: io.Discard}

	commit("")
	_, err = scan.Run(t.Context(), false)
	must(t, err)
	raises(t, out, "scan")
	commit("secrets")
	if _, err = scan.Run(t.Context(), false); err == nil {
		t.Error("a scan passes with a failed stage")
	}
	raises(t, out, "scan", "secrets")

	trust := t.TempDir()
	must(t, os.WriteFile(trust+"/trust.yaml", []byte("baseline: "+git(t, source, "rev-parse", "HEAD")+"\nsigners: []\n"), 0o600))
	commit("build")
	_, err = gate.Make(t.Context(), gate.Order{
		Root: source, Out: out, Version: "v1.0.0-rc.1", Trust: trust, Advisories: t.TempDir(), Now: time.Now(), Log: io.Discard,
	})
	if err == nil {
		t.Error("a release is made of a build that fails")
	}
	raises(t, out, "release", "build", "review") // and what else stopped it
}

// raises fails the test unless the file of a pipeline raises an alert for each of the checks.
// No alert may name a stage that passed.
func raises(t *testing.T, folder, pipeline string, checks ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, pipeline+".prom"))
	must(t, err)
	var list []series
	passed := 0
	wants := []evaluation{firing(`alertname="PipelineUnfinished"`, "150m", 0)}
	for line := range strings.Lines(string(text)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "} ")
		if !found {
			continue
		}
		list = append(list, series{name + "}", value + "x160"})
		_, check, found := strings.Cut(name, `check="`)
		check, _, _ = strings.Cut(check, `"`)
		if found && value == "0" {
			passed++
			wants = append(wants, firing(`alertname="PipelineFailed",check="`+check+`"`, "1m", 0))
		}
	}
	for _, check := range checks {
		wants = append(wants, firing(`alertname="PipelineFailed",pipeline="`+pipeline+`",check="`+check+`"`, "1m", 1))
	}
	if passed < 3 {
		t.Errorf("%s: %d checks passed:\n%s", pipeline, passed, text)
	}
	judge(t, test{Name: pipeline, Interval: "1m", Series: list, Wants: wants})
}

// git runs Git in a folder.
func git(t *testing.T, folder string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{
		"-c", "user.name=wang", "-c", "user.email=wang@bank.example", "-c", "commit.gpgsign=false",
	}, args...)...)
	cmd.Dir = folder
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, said)
	}
	return strings.TrimSpace(string(said))
}
