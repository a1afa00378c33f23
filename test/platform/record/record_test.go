package record_test

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

// repository is a repository with one program and one document.
func repository(t *testing.T) (dir string, commit func()) {
	t.Helper()
	dir = t.TempDir()
	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	git("init", "-q")
	commit = func() { git("add", "-A"); git("commit", "-q", "-m", "change") }
	write(t, dir, "main.go", "package main")
	write(t, dir, "README.md", "a document")
	commit()
	return dir, commit
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	check.Must(t, os.MkdirAll(dir, 0o700))
	check.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

func source(t *testing.T, dir string) string {
	t.Helper()
	s, err := record.Source(t.Context(), dir)
	check.Must(t, err)
	return s
}

// A source is known only if all of it is committed. A document does not change it.
func TestTheSourceOfARun(t *testing.T) {
	t.Parallel()
	dir, commit := repository(t)
	first := source(t, dir)
	if first == record.Unknown {
		t.Fatal("a clean source is unknown")
	}
	write(t, dir, "README.md", "another text")
	if source(t, dir) != first {
		t.Error("a document changes the source")
	}
	write(t, dir, "new.go", "package main")
	if source(t, dir) != record.Unknown {
		t.Error("a source with a new file is known")
	}
	commit()
	second := source(t, dir)
	if second == record.Unknown || second == first {
		t.Errorf("after a commit: %q, before it: %q", second, first)
	}
	if s, err := record.Source(t.Context(), dir, "new.go"); err != nil || s != first {
		t.Errorf("without the new file: %q, %v, want %q", s, err, first)
	}
	write(t, dir, "main.go", "package other")
	if source(t, dir) != record.Unknown {
		t.Error("a changed source is known")
	}
}

// A later run of the same source replaces the checks that it repeats; a run of another
// source, or of an unknown one, replaces all.
func TestRunsAddUp(t *testing.T) {
	t.Parallel()
	dir, commit := repository(t)
	folder := filepath.Join(dir, "docs")
	begin := func() record.Run {
		r, err := record.Begin(t.Context(), dir, "k", "make test-k")
		check.Must(t, err)
		return r
	}
	results := func() map[string]record.Result {
		list, err := record.Read(folder)
		check.Must(t, err)
		got := map[string]record.Result{}
		for _, c := range list[0].Checks {
			got[c.Name] = c.Result
		}
		return got
	}
	expect := func(what string, want map[string]record.Result) {
		t.Helper()
		if diff := cmp.Diff(want, results()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	demo, zero := record.Check{Name: "demo", Points: []string{"A-001.1"}}, record.Check{Name: "zero"}
	run := begin()
	run.Add(demo, nil)
	run.Add(zero, errors.New("it\nwaits"))
	check.Must(t, run.Keep(t.Context(), dir, folder))
	expect("the first run", map[string]record.Result{"demo": record.Passed, "zero": record.Failed})

	later := begin()
	later.At = run.At.Add(time.Minute)
	later.Add(zero, nil)
	check.Must(t, later.Keep(t.Context(), dir, folder))
	expect("a later run of one check", map[string]record.Result{"demo": record.Passed, "zero": record.Passed})

	whole := begin()
	whole.Add(demo, nil)
	check.Must(t, whole.Replace(t.Context(), dir, folder))
	expect("a run of all checks", map[string]record.Result{"demo": record.Passed})

	write(t, dir, "main.go", "package other")
	commit()
	next := begin()
	next.Add(zero, nil)
	check.Must(t, next.Keep(t.Context(), dir, folder))
	expect("another source", map[string]record.Result{"zero": record.Passed})

	write(t, dir, "main.go", "package changed") // while the run goes on
	check.Must(t, next.Keep(t.Context(), dir, folder))
	list, err := record.Read(folder)
	check.Must(t, err)
	if list[0].Source != record.Unknown {
		t.Errorf("a source that changed during the run is known: %+v", list[0])
	}
}

// A record says what ran, when, of which commit, and why a check failed.
func TestWhatARecordSays(t *testing.T) {
	t.Parallel()
	dir, _ := repository(t)
	run, err := record.Begin(t.Context(), dir, "k", "make test-k")
	check.Must(t, err)
	run.Add(record.Check{Name: "zero", Points: []string{"A-001.1"}, Figures: map[string]float64{"s": 1.5}}, errors.New("it\n waits"))
	check.Must(t, run.Keep(t.Context(), dir, filepath.Join(dir, "docs")))
	head, err := exec.CommandContext(t.Context(), "git", "-C", dir, "rev-parse", "HEAD").Output()
	check.Must(t, err)
	want := []record.File{{Path: filepath.Join(dir, "docs/platform-k.json"), Run: record.Run{
		Name: "k", Command: "make test-k", Commit: string(head[:12]), At: run.At, Source: source(t, dir),
		Checks: []record.Check{{
			Name: "zero", Result: record.Failed, Why: "it waits", Commit: string(head[:12]), At: run.At,
			Points: []string{"A-001.1"}, Figures: map[string]float64{"s": 1.5},
		}},
	}}}
	got, err := record.Read(filepath.Join(dir, "none"), filepath.Join(dir, "docs"))
	check.Must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	write(t, dir, "docs/platform-k.json", "{")
	if _, err := record.Read(filepath.Join(dir, "docs")); err == nil {
		t.Error("a damaged record was read")
	}
}

// The records of the present source become evidence; others stay where they are.
func TestRecordsBecomeEvidence(t *testing.T) {
	t.Parallel()
	dir, _ := repository(t)
	from, to := filepath.Join(dir, "docs/build"), filepath.Join(dir, "docs/evidence")
	for _, name := range []string{"one", "two"} {
		run, err := record.Begin(t.Context(), dir, name, "make test-"+name)
		check.Must(t, err)
		run.Add(record.Check{Name: "demo"}, nil)
		check.Must(t, run.Keep(t.Context(), dir, from))
	}
	text, err := os.ReadFile(filepath.Join(from, "platform-two.json"))
	check.Must(t, err)
	write(t, from, "platform-two.json", strings.Replace(string(text), source(t, dir), "other", 1))
	copied, err := record.Copy(source(t, dir), from, to)
	check.Must(t, err)
	if diff := cmp.Diff([]string{filepath.Join(to, "platform-one.json")}, copied); diff != "" {
		t.Error(diff)
	}
	if list, err := record.Read(to); err != nil || len(list) != 1 || list[0].Source != source(t, dir) {
		t.Errorf("the evidence: %+v, %v", list, err)
	}
	if copied, err := record.Copy(record.Unknown, from, to); err != nil || len(copied) > 0 {
		t.Errorf("of an unknown source: %v, %v", copied, err)
	}
}

// Of two results of a check, the later one counts.
func TestTheLaterResultCounts(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	early, late := record.Check{Name: "a", Result: record.Failed, At: at}, record.Check{Name: "a", Result: record.Passed, At: at.Add(1)}
	other := record.Check{Name: "b", At: at}
	for _, runs := range [][]record.Run{
		{{Checks: []record.Check{early, other}}, {Checks: []record.Check{late}}},
		{{Checks: []record.Check{late}}, {Checks: []record.Check{early, other}}},
	} {
		if diff := cmp.Diff([]record.Check{late, other}, record.Latest(runs...)); diff != "" {
			t.Error(diff)
		}
	}
}
