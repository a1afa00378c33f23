package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/conformance/catalogue"
)

// made is a catalogue of five requirements.
func made() []catalogue.Requirement {
	return []catalogue.Requirement{
		{ID: "A-001", Scope: "server", Section: "转账 a）", ZH: "转账", Points: []string{"Money moves.", "It moves <once>."}},
		{ID: "A-002", Scope: "server", Points: []string{"first", "second", "third"}},
		{ID: "A-003", Scope: "server", Points: []string{"first"}},
		{ID: "A-004", Scope: "web", Points: []string{"first"}},
		{ID: "A-005", Scope: "org", ZH: "组织"},
	}
}

func judged(t *testing.T, lines ...string) Report {
	t.Helper()
	return judge(made(), follow(t, lines...), records{})
}

func TestWholeIsEveryPoint(t *testing.T) {
	t.Parallel()
	rep := judged(t,
		"attr T n A-001.1", "attr T n A-001.1", "attr T n A-002.2", "pass T",
		"attr U n A-001.2", "attr U n A-001.1", "pass U",
		"attr V n A-003.1", "skip V/part", "pass V",
	)
	got := map[string]status{}
	for _, l := range rep.Lines {
		got[l.ID] = l.Status
	}
	want := map[string]status{"A-001": whole, "A-002": begun, "A-003": open, "A-004": open, "A-005": noPoints}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	points := []point{
		{ID: "A-001.1", Text: "Money moves.", Tests: []string{"p.T", "p.U"}},
		{ID: "A-001.2", Text: "It moves <once>.", Tests: []string{"p.U"}},
	}
	if diff := cmp.Diff(points, rep.Lines[0].Points); diff != "" {
		t.Errorf("points of A-001 (-want +got):\n%s", diff)
	}
	const line = "CONFORMANCE server whole 1/3 begun 1 points 3/6 web whole 0/1 begun 0 points 0/1 ops whole 0/0 begun 0 points 0/0"
	if got := rep.Line(); got != line {
		t.Errorf("got  %s\nwant %s", got, line)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lines                   []string
		exit                    string
		problems, strict, notes []string
	}{
		"none":         {lines: []string{"attr T n A-001.1", "pass T"}},
		"nothing ran":  {problems: []string{"no test passed"}},
		"only skipped": {lines: []string{"skip T"}, problems: []string{"no test passed"}},
		"a failure":    {lines: []string{"pass T", "fail U", "fail "}, exit: "exit status 1", problems: []string{"p.U failed", "p failed"}},
		"go failed":    {lines: []string{"pass T"}, exit: "exit status 2", problems: []string{"go test: exit status 2"}},
		"no such point": {
			lines:    []string{"attr T n A-001.3", "pass T"},
			problems: []string{"p.T claims A-001.3, which the catalogue does not have"},
		},
		"no such point, claimed by a void test": {
			lines:    []string{"attr T n A-001.0", "skip T/part", "pass T"},
			problems: []string{"p.T claims A-001.0, which the catalogue does not have"},
		},
		"no such requirement": {
			lines:    []string{"attr T n Z-001", "pass T"},
			problems: []string{"p.T claims Z-001, which the catalogue does not have"},
		},
		"a requirement without its point": {
			lines:    []string{"attr T n A-001", "pass T"},
			problems: []string{"p.T claims A-001, which the catalogue does not have"},
		},
		"a void claim": {
			lines: []string{"attr T n A-001.1", "skip T/part", "pass T"},
			notes: []string{"p.T claims A-001.1 for nothing: T/part was skipped"},
		},
	} {
		r := follow(t, tt.lines...)
		r.exit = tt.exit
		rep := judge(made(), r, records{})
		problems, notes := rep.problems(false)
		if diff := cmp.Diff(tt.problems, problems); diff != "" {
			t.Errorf("%s: problems (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(append(tt.notes, tt.strict...), notes); diff != "" {
			t.Errorf("%s: notes (-want +got):\n%s", name, diff)
		}
		problems, notes = rep.problems(true)
		if diff := cmp.Diff(append(tt.problems, tt.strict...), problems); diff != "" {
			t.Errorf("%s: strict problems (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(tt.notes, notes); diff != "" {
			t.Errorf("%s: strict notes (-want +got):\n%s", name, diff)
		}
	}
}

func TestFunctionsNameOnlyWhatIsProved(t *testing.T) {
	t.Parallel()
	cited := []citation{
		{Function: "a-one", ID: "A-001"},
		{Function: "a-two", ID: "A-001"},
		{Function: "a-two", ID: "A-002"},
		{Function: "a-two", ID: "A-005"},
		{Function: "a-two", ID: "Z-001"},
	}
	want := cited[2:]
	rep := judged(t, "attr T n A-001.2", "pass T")
	rep.cite(cited, true)
	if diff := cmp.Diff(want, rep.Unproved); diff != "" {
		t.Errorf("cited and not proved (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a-one", "a-two"}, rep.Lines[0].Functions); diff != "" {
		t.Errorf("functions of A-001 (-want +got):\n%s", diff)
	}
	lax, _ := rep.problems(false)
	strict, _ := rep.problems(true)
	if len(lax) != 0 || len(strict) != 3 || strict[0] != "a-two names A-002, of which no point is proved" {
		t.Errorf("problems %q, strict %q", lax, strict)
	}
	rep = judged(t, "pass T")
	if rep.cite(cited, false); len(rep.Unproved) != 0 {
		t.Errorf("a run of some packages finds not proved: %v", rep.Unproved)
	}
}

func TestReportIsWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	rep := judged(t, "attr TestMoney n A-001.2", "pass TestMoney", "attr U n A-002.1", "skip U", "attr V n A-009.1", "fail V")
	rep.cite([]citation{{Function: "a-one", ID: "A-001"}}, true)
	rep.Command, rep.Commit = "go test ./...", "abc"
	check.Must(t, rep.write(dir))
	raw, err := os.ReadFile(filepath.Join(dir, "conformance.json"))
	check.Must(t, err)
	var got Report
	check.Must(t, json.Unmarshal(raw, &got))
	for i := range rep.Lines { // the clause's own list of points is not written twice
		rep.Lines[i].Requirement.Points = nil
	}
	if diff := cmp.Diff(rep, got); diff != "" {
		t.Errorf("conformance.json (-want +got):\n%s", diff)
	}
	html, err := os.ReadFile(filepath.Join(dir, "conformance.html"))
	check.Must(t, err)
	for _, want := range []string{
		"转账 a）", "A-001.2 ✓", "A-001.1 –", "It moves &lt;once&gt;.", "p.TestMoney", "begun 1/2", "<code>a-one</code>", "组织",
		"U was skipped", "A-009.1", "go test ./...", "<code>p.V</code>",
	} {
		if !strings.Contains(string(html), want) {
			t.Errorf("conformance.html does not contain %q", want)
		}
	}
	if strings.Contains(string(html), "http") {
		t.Error("conformance.html refers to something outside")
	}
}
