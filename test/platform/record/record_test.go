package record_test

import (
	"os"
	"os/exec"
	"path/filepath"
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
// source replaces all.
func TestRunsAddUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	demo := record.Check{Name: "demo", OK: true, At: at, Points: []string{"A-001.1"}}
	zero := record.Check{Name: "zero", Why: "it failed", At: at}
	for _, step := range []struct{ run, want record.Run }{
		{record.Run{Name: "k", Source: "s", Checks: []record.Check{demo}}, record.Run{Name: "k", Source: "s", Checks: []record.Check{demo}}},
		{record.Run{Name: "k", Source: "s", Checks: []record.Check{zero}}, record.Run{Name: "k", Source: "s", Checks: []record.Check{zero, demo}}},
		{record.Run{Name: "k", Source: "t", Checks: []record.Check{zero}}, record.Run{Name: "k", Source: "t", Checks: []record.Check{zero}}},
		{record.Run{Name: "k", Checks: []record.Check{demo}}, record.Run{Name: "k", Checks: []record.Check{demo}}},
		{record.Run{Name: "k", Checks: []record.Check{zero}}, record.Run{Name: "k", Checks: []record.Check{zero}}},
	} {
		check.Must(t, step.run.Add(dir))
		got, err := record.Read(dir)
		check.Must(t, err)
		if diff := cmp.Diff([]record.Run{step.want}, got); diff != "" {
			t.Error(diff)
		}
	}
}
