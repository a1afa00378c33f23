package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
)

// The report counts the claims of another module's run of the same commit, by the same
// rules as its own: a test that failed or was skipped proves nothing.
func TestClaimsOfOtherModulesAreMerged(t *testing.T) {
	t.Parallel()
	file := kept{Module: "test/platform/x", Commit: "abc", Passed: 1, Failed: []string{"x.Bad"}, Tests: []keptTest{
		{Package: "x", Test: "Good", Action: "pass", Claims: []string{"A-001.1"}},
		{Package: "x", Test: "Bad", Action: "fail", Claims: []string{"A-001.2"}},
		{Package: "x", Test: "Skips", Action: "pass", Claims: []string{"A-001.3"}}, {Package: "x", Test: "Skips/a", Action: "skip"},
	}}
	for commit, want := range map[string]map[string][]string{
		"abc": {"T": {"B-001.1"}, "Good": {"A-001.1"}}, "def": {"T": {"B-001.1"}}, unknown: {"T": {"B-001.1"}},
		"abc-dirty": {"T": {"B-001.1"}},
	} {
		out := t.TempDir()
		check.Must(t, os.Mkdir(filepath.Join(out, "claims"), 0o700))
		if commit != "def" { // a file of an earlier commit does not count
			file.Commit = commit
		} else {
			file.Commit = "abc"
		}
		check.Must(t, os.WriteFile(filepath.Join(out, "claims", "x.json"), check.JSON(t, file), 0o600))
		r := follow(t, "run T", "attr T n B-001.1", "pass T")
		notes, err := r.merge(out, commit)
		check.Must(t, err)
		if diff := cmp.Diff(want, counted(r)); diff != "" {
			t.Errorf("%s: claims that count (-want +got):\n%s", commit, diff)
		}
		if merged := commit == "abc"; merged != (len(notes) == 0) || merged != (len(r.failed) == 1) {
			t.Errorf("%s: notes %q, failed %q", commit, notes, r.failed)
		}
	}
	r := follow(t, "run T", "pass T")
	if notes, err := r.merge(t.TempDir(), "abc"); err != nil || len(notes) > 0 {
		t.Errorf("without files: %q, %v", notes, err)
	}
}
