package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/platform/record"
)

var recorded = time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)

// one is a record of one source with its checks.
func one(source string, checks ...record.Check) record.File {
	run := record.Run{Name: "k", Command: "make test-k", Commit: "abc", At: recorded, Source: source}
	for _, c := range checks {
		run.Put(c)
	}
	return record.File{Path: "build/platform-k.json", Run: run}
}

// A record's check proves its points if it passed on the source that the tests run on, and
// only then. Its failure is the report's failure, also for a point that a test proves.
func TestRecordsCountForTheirOwnSource(t *testing.T) {
	t.Parallel()
	demo := record.Check{Name: "demo", Result: record.Passed, Points: []string{"A-001.1"}}
	zero := record.Check{Name: "zero", Result: record.Failed, Why: "it waits", Points: []string{"A-001.1", "A-001.2"}}
	part := record.Check{Name: "part", Result: record.Void, Why: "b was skipped", Points: []string{"A-001.2"}}
	const at = " (commit abc, 2026-11-26 09:00 +00:00)"
	for name, tt := range map[string]struct {
		on              records
		proof, failed   []string
		proved          bool
		problems, notes []string
	}{
		"the same source": {
			on: records{"s", []record.File{one("s", demo, part)}}, proof: []string{"make test-k: demo" + at}, proved: true,
			notes: []string{"make test-k: part" + at + " claims A-001.2 for nothing: b was skipped"},
		},
		"a failed check": {
			on: records{"s", []record.File{one("s", demo, zero)}}, proof: []string{"make test-k: demo" + at},
			failed: []string{"make test-k: zero" + at}, problems: []string{"make test-k: zero" + at + " failed: it waits"},
		},
		"a failed check that passed later": {
			on: records{"s", []record.File{
				one("s", demo, zero),
				one("s", record.Check{Name: "zero", Result: record.Passed, At: recorded.Add(1), Points: []string{"A-001.1"}}),
			}},
			proof: []string{"make test-k: demo" + at, "make test-k: zero" + at}, proved: true,
		},
		"the same record in two folders": {
			on: records{"s", []record.File{one("s", demo), one("s", demo)}}, proof: []string{"make test-k: demo" + at}, proved: true,
		},
		"another source": {
			on:    records{"s", []record.File{one("t", demo, zero)}},
			notes: []string{"build/platform-k.json does not count (make test-k, commit abc): it is of another source"},
		},
		"a present source with changes": {
			on: records{record.Unknown, []record.File{one("s", demo)}},
			notes: []string{
				"build/platform-k.json does not count (make test-k, commit abc): the present source has changes that are not committed",
			},
		},
		"a recorded source with changes": {
			on: records{record.Unknown, []record.File{one(record.Unknown, demo)}},
			notes: []string{"build/platform-k.json does not count (make test-k, commit abc): " +
				"its source had changes that were not committed, or changed during the run"},
		},
		"no such point": {
			on:       records{"s", []record.File{one("s", record.Check{Name: "demo", Result: record.Passed, Points: []string{"A-001.9"}})}},
			problems: []string{"make test-k: demo" + at + " claims A-001.9, which the catalogue does not have"},
		},
	} {
		rep := judge(made(), follow(t, "pass T"), tt.on)
		got := rep.Lines[0].Points[0]
		if diff := cmp.Diff(tt.proof, got.Tests); diff != "" {
			t.Errorf("%s: proved by (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(tt.failed, got.Failed); diff != "" || got.Proved() != tt.proved {
			t.Errorf("%s: proved %v; failed (-want +got):\n%s", name, got.Proved(), diff)
		}
		if got := rep.Lines[0].Points[1]; len(got.Tests) > 0 {
			t.Errorf("%s: a check that did not pass proves its point: %v", name, got)
		}
		problems, notes := rep.problems(true)
		if diff := cmp.Diff(tt.problems, problems); diff != "" {
			t.Errorf("%s: problems (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(tt.notes, notes); diff != "" {
			t.Errorf("%s: notes (-want +got):\n%s", name, diff)
		}
	}
}

// The page lists each record, whether it counts, and why not, and shows a failed check at
// its point.
func TestThePageListsTheRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	on := records{"s", []record.File{
		one("s", record.Check{Name: "zero", Result: record.Failed, Why: "it waits", Points: []string{"A-001.1"}}), one("t"),
	}}
	rep := judge(made(), follow(t, "pass T"), on)
	check.Must(t, rep.write(dir))
	html, err := os.ReadFile(filepath.Join(dir, "conformance.html"))
	check.Must(t, err)
	for _, want := range []string{
		"make test-k", "<code>abc</code>", "2026-11-26 09:00", "是 yes", "否 no: it is of another source", "A-001.1 ✗", "it waits",
	} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
}

// A module's run is recorded by the report's own rules: a test that failed or was skipped
// proves nothing.
func TestTheRecordOfAModule(t *testing.T) {
	t.Parallel()
	var run record.Run
	addTests(&run, follow(t,
		"attr Good n A-001.1", "attr Good n A-001.1", "pass Good/part", "pass Good",
		"broken Bad n A-001.2", "fail Bad",
		"attr Hangs n A-002.3", "attr Part/a n A-002.1", "pass Part/a", "fail Part/b", "fail Part",
		"attr Skips n A-001.3", "skip Skips/a", "pass Skips", "pass None"))
	want := []record.Check{
		{Name: "p.Bad", Result: record.Failed, Why: "Bad did not pass", Points: []string{"A-001.2"}},
		{Name: "p.Good", Result: record.Passed, Points: []string{"A-001.1"}},
		{Name: "p.Hangs", Result: record.Failed, Why: "Hangs did not pass", Points: []string{"A-002.3"}},
		{Name: "p.None", Result: record.Passed},
		{Name: "p.Part", Result: record.Failed, Why: "Part did not pass"},
		{Name: "p.Part/a", Result: record.Void, Why: "Part did not pass", Points: []string{"A-002.1"}},
		{Name: "p.Part/b", Result: record.Failed, Why: "Part did not pass"},
		{Name: "p.Skips", Result: record.Void, Why: "Skips/a was skipped", Points: []string{"A-001.3"}},
	}
	if diff := cmp.Diff(want, run.Checks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, lines := range [][]string{nil, {"skip T"}, {"pass T", "fail "}} {
		run.Checks = nil
		addTests(&run, follow(t, lines...))
		if last := run.Checks[len(run.Checks)-1]; last.Name != "go test" || last.Result != record.Failed {
			t.Errorf("%q: %+v", lines, run.Checks)
		}
	}
}

// Of a real module the command keeps the record, and the next report of the same commit
// counts it: build, evidence and page agree.
func TestARealModule(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	put := func(name, text string) {
		check.Must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		check.Must(t, os.WriteFile(name, []byte(text), 0o600))
	}
	put("platform/x/go.mod", "module example.com/x\n\ngo 1.26\n")
	put("platform/x/x_test.go", "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) {}\n")
	put(".gitignore", "/build/\n")
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"}} {
		if out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	o := options{module: "platform/x", timeout: time.Minute, out: "build", evidence: "docs/evidence"}
	var shown strings.Builder
	check.Must(t, runModule(t.Context(), o, &shown))
	check.Must(t, keepEvidence(t.Context(), o, &shown))
	if !strings.Contains(shown.String(), "conformance: kept docs/evidence/platform-x.json") {
		t.Errorf("shown: %s", shown.String())
	}
	on, err := readRecords(t.Context(), o.out, o.evidence)
	check.Must(t, err)
	if len(on.files) != 2 {
		t.Fatalf("%d records, want two", len(on.files))
	}
	for _, f := range on.files {
		if why := on.leftOut(f.Run); why != "" || len(f.Checks) != 1 || f.Checks[0].Name != "example.com/x.TestX" ||
			f.Command != "go run ./test/conformance -module platform/x" {
			t.Errorf("%q: %+v", why, f)
		}
	}
	put("platform/x/x_test.go", "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Error() }\n")
	if err := runModule(t.Context(), o, &shown); !errors.Is(err, errModule) {
		t.Errorf("a failing module: %v", err)
	}
	shown.Reset()
	check.Must(t, keepEvidence(t.Context(), o, &shown))
	if !strings.Contains(shown.String(), "left out build/platform-x.json: its source had changes") {
		t.Errorf("shown: %s", shown.String())
	}
}
