package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
)

func TestMarkShowsTheChangedOperator(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line   string
		column int
		want   string
	}{
		{"\tif size > most || size >= 9 {", 10, "if size «>» most || size >= 9 {"},
		{"\tif size > most || size >= 9 {", 25, "if size > most || size «>=» 9 {"},
		{"\tn++", 3, "n«++»"},
		{"\treturn -x", 9, "return «-»x"},
	} {
		if got := mark(c.line, c.column); got != c.want {
			t.Errorf("mark(%q, %d) = %q, want %q", c.line, c.column, got, c.want)
		}
	}
}

func TestJudgeCountsAndExplains(t *testing.T) {
	t.Parallel()
	of := func(line, status string) mutant {
		return mutant{survivor: survivor{File: "a/a.go", Mutation: "CONDITIONALS_BOUNDARY", Line: line}, status: status, number: 7}
	}
	known := []survivor{
		{File: "a/a.go", Mutation: "CONDITIONALS_BOUNDARY", Line: "a «>» b", Why: "never equal"},
		{File: "a/a.go", Mutation: "CONDITIONALS_BOUNDARY", Line: "killed «>» b", Why: "wrong"},
		{File: "b/a.go", Mutation: "CONDITIONALS_BOUNDARY", Line: "c «>» d", Why: "another file's"},
	}
	j := judge("a", []mutant{
		of("a «>» b", "LIVED"), of("c «>» d", "LIVED"), of("killed «>» b", "KILLED"), of("x «>» y", "KILLED"),
		of("slow «>» 1", "TIMED OUT"), of("s «+» t", "NOT VIABLE"), of("far «>» 1", "NOT COVERED"),
	}, known)
	var out strings.Builder
	j.print(&out)
	want := `MUTATE a efficacy 50.0 coverage 80.0
  killed 2, survived 2 (1 explained), not covered 1, timed out 1, not viable 1
  survived a/a.go:7 CONDITIONALS_BOUNDARY
    c «>» d
  explained a/a.go:7 CONDITIONALS_BOUNDARY
    a «>» b
    never equal
  not covered a/a.go:7 CONDITIONALS_BOUNDARY
    far «>» 1
  timed out a/a.go:7 CONDITIONALS_BOUNDARY
    slow «>» 1
  killed, so survivors.yaml need not explain it: a/a.go CONDITIONALS_BOUNDARY
    killed «>» b
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if len(j.unexplained) != 1 {
		t.Errorf("%d mutants without an explanation, want 1", len(j.unexplained))
	}
}

func TestReadMutantsFindsTheirLines(t *testing.T) {
	t.Parallel()
	module := t.TempDir()
	check.Must(t, os.MkdirAll(filepath.Join(module, "a"), 0o755))
	source := "package a\n\nfunc f(x int) bool {\n\treturn x > 1\n}\n"
	check.Must(t, os.WriteFile(filepath.Join(module, "a", "a.go"), []byte(source), 0o600))
	// As gremlins 0.6.0 writes it.
	raw := `{"go_module":"m","files":[{"file_name":"a.go","mutations":[
		{"type":"CONDITIONALS_BOUNDARY","status":"LIVED","line":4,"column":11}]}],"test_efficacy":0}`
	got, err := readMutants([]byte(raw), module, "a")
	check.Must(t, err)
	want := survivor{File: "a/a.go", Mutation: "CONDITIONALS_BOUNDARY", Line: "return x «>» 1"}
	if len(got) != 1 || got[0].survivor != want || got[0].status != "LIVED" || got[0].number != 4 {
		t.Errorf("got %+v, want one of %+v", got, want)
	}
}

// A target that names a file that is gone would silently mutate less.
func TestTargetsExist(t *testing.T) {
	t.Parallel()
	const root = "../.."
	for _, target := range targets() {
		files, err := filepath.Glob(filepath.Join(root, target.dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no Go file", target.dir)
		}
		for _, name := range target.files {
			if !slices.Contains(files, filepath.Join(root, target.dir, name)) {
				t.Errorf("%s has no file %s", target.dir, name)
			}
		}
	}
}

// An explanation of a line that has changed explains nothing any more.
func TestExplanationsAreOfTheCode(t *testing.T) {
	t.Parallel()
	known, err := readSurvivors("survivors.yaml")
	check.Must(t, err)
	for _, s := range known {
		source, err := os.ReadFile(filepath.Join("../..", s.File))
		if err != nil {
			t.Error(err)
			continue
		}
		line := strings.NewReplacer("«", "", "»", "").Replace(s.Line)
		trimmed := func(l string) bool { return strings.TrimSpace(l) == line }
		if !slices.ContainsFunc(strings.Split(string(source), "\n"), trimmed) {
			t.Errorf("%s has no line %q", s.File, line)
		}
		if s.Why == "" || strings.Count(s.Line, "«") != 1 || s.Mutation == "" {
			t.Errorf("%+v: an explanation needs a mutation, one marked operator and a reason", s)
		}
	}
}
