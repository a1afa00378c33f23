package main

import (
	"context"
	_ "embed" // the page
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/conformance/catalogue"
	"github.com/tidebank/tidebank/test/platform/record"
)

// status is the part of a requirement that this run proves.
type status string

const (
	whole    status = "whole" // every point
	begun    status = "begun" // some points
	open     status = "open"  // no point
	noPoints status = "none"  // the requirement has no points
)

// point is an acceptance point and the tests that prove it.
type point struct {
	ID    string   `json:"id"`
	Text  string   `json:"text"`
	Tests []string `json:"tests"` // package and name of each test that proves the point
}

// line is a requirement and how far this run proves it.
type line struct {
	catalogue.Requirement
	Status    status   `json:"status"`
	Proved    int      `json:"proved"`
	Points    []point  `json:"points"`
	Functions []string `json:"functions"` // functions whose Specs name the requirement
}

// claim is a rejected claim.
type claim struct {
	Test   string `json:"test"`
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// citation is a requirement that a function's Spec names.
type citation struct {
	Function string `json:"function"`
	ID       string `json:"id"`
}

// total sums up a scope. Requirements without points do not count.
type total struct {
	Scope        string `json:"scope"`
	Requirements int    `json:"requirements"`
	Whole        int    `json:"whole"`
	Begun        int    `json:"begun"`
	Points       int    `json:"points"`
	Proved       int    `json:"proved"`
}

// Report is the result of one run of the tests, and of runs on platforms (test/platform).
type Report struct {
	Command  string     `json:"command"`
	Commit   string     `json:"commit"`
	Started  time.Time  `json:"started"`
	Passed   int        `json:"passed"`
	Skipped  int        `json:"skipped"`
	Failed   []string   `json:"failed"` // tests and packages that failed
	Exit     string     `json:"exit"`   // the go command's failure
	Totals   []total    `json:"totals"`
	Void     []claim    `json:"void"`     // claims of tests that did not pass completely
	Unknown  []claim    `json:"unknown"`  // claims of points that the catalogue does not have
	Unproved []citation `json:"unproved"` // requirements that Specs name and this run proves no point of
	Older    []string   `json:"older"`    // commands whose last run was of another source: its points do not count
	Lines    []line     `json:"requirements"`
}

// platforms are the runs on real platforms, and the source that this run tests.
type platforms struct {
	source string
	runs   []record.Run
}

// judge joins the claims of the tests and of the platforms' checks, and the requirements.
func judge(requirements []catalogue.Requirement, r *runResult, on platforms) Report {
	rep := Report{Passed: r.passed, Skipped: r.skipped, Failed: r.failed, Exit: r.exit}
	known := catalogue.PointIDs(requirements)
	proof := map[string][]string{}
	voids := r.voids()
	for _, t := range r.inOrder() {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(t.claims))) {
			c := claim{Test: t.id(), ID: id, Reason: voids[t.id()]}
			switch {
			case !known[id]:
				rep.Unknown = append(rep.Unknown, c)
			case c.Reason != "":
				rep.Void = append(rep.Void, c)
			default:
				proof[id] = append(proof[id], t.id())
			}
		}
	}
	rep.join(on, known, proof)
	for _, requirement := range requirements {
		rep.Lines = append(rep.Lines, newLine(requirement, proof))
	}
	for _, scope := range catalogue.Scopes {
		rep.Totals = append(rep.Totals, rep.total(scope))
	}
	return rep
}

// join adds what checks on platforms have proved of the same source.
func (r *Report) join(on platforms, known map[string]bool, proof map[string][]string) {
	for _, run := range on.runs {
		if run.Source == record.Unknown || run.Source != on.source {
			r.Older = append(r.Older, run.Command)
			continue
		}
		for _, check := range run.Checks {
			by := run.Command + ": " + check.Name
			for _, id := range check.Points {
				switch {
				case !known[id]:
					r.Unknown = append(r.Unknown, claim{Test: by, ID: id})
				case !check.OK:
					r.Void = append(r.Void, claim{Test: by, ID: id, Reason: check.Why})
				default:
					proof[id] = append(proof[id], by)
				}
			}
		}
	}
}

func newLine(r catalogue.Requirement, proof map[string][]string) line {
	l := line{Requirement: r, Status: open}
	for i, text := range r.Points {
		p := point{ID: r.PointID(i), Text: text, Tests: proof[r.PointID(i)]}
		if len(p.Tests) > 0 {
			l.Proved++
		}
		l.Points = append(l.Points, p)
	}
	switch {
	case len(l.Points) == 0:
		l.Status = noPoints
	case l.Proved == len(l.Points):
		l.Status = whole
	case l.Proved > 0:
		l.Status = begun
	}
	return l
}

func (r *Report) total(scope string) total {
	sum := total{Scope: scope}
	for _, l := range r.Lines {
		if l.Scope != scope || l.Status == noPoints {
			continue
		}
		sum.Requirements++
		sum.Points += len(l.Points)
		sum.Proved += l.Proved
		if l.Status == whole {
			sum.Whole++
		}
		if l.Status == begun {
			sum.Begun++
		}
	}
	return sum
}

// citations returns the requirements that Specs name.
func citations(all []fn.Function) []citation {
	var list []citation
	for _, f := range all {
		for _, id := range f.Spec.Requirements {
			list = append(list, citation{Function: f.Spec.Name, ID: id})
		}
	}
	return list
}

// cite adds the functions to the requirements that their Specs name. For a run of all
// packages, it also collects the requirements without a proved point.
func (r *Report) cite(list []citation, complete bool) {
	for _, c := range list {
		i := slices.IndexFunc(r.Lines, func(l line) bool { return l.ID == c.ID })
		if i >= 0 {
			r.Lines[i].Functions = append(r.Lines[i].Functions, c.Function)
		}
		if complete && (i < 0 || r.Lines[i].Proved == 0) {
			r.Unproved = append(r.Unproved, c)
		}
	}
}

// problems returns the problems, which fail the run, and the notes, which do not.
func (r *Report) problems(strict bool) (problems, notes []string) {
	for _, name := range r.Failed {
		problems = append(problems, short(name)+" failed")
	}
	if len(r.Failed) == 0 && r.Exit != "" {
		problems = append(problems, "go test: "+r.Exit)
	}
	if r.Passed == 0 {
		problems = append(problems, "no test passed")
	}
	for _, c := range r.Unknown {
		problems = append(problems, fmt.Sprintf("%s claims %s, which the catalogue does not have", short(c.Test), c.ID))
	}
	for _, c := range r.Void {
		notes = append(notes, fmt.Sprintf("%s claims %s for nothing: %s", short(c.Test), c.ID, c.Reason))
	}
	for _, command := range r.Older {
		notes = append(notes, fmt.Sprintf("the last run of %q was of another source; its points do not count", command))
	}
	var lax []string
	for _, c := range r.Unproved {
		lax = append(lax, fmt.Sprintf("%s names %s, of which no point is proved", c.Function, c.ID))
	}
	if strict {
		return append(problems, lax...), notes
	}
	return problems, append(notes, lax...)
}

// Line is the summary.
func (r *Report) Line() string {
	parts := []string{"CONFORMANCE"}
	for _, s := range r.Totals {
		parts = append(parts, fmt.Sprintf("%s whole %d/%d begun %d points %d/%d",
			s.Scope, s.Whole, s.Requirements, s.Begun, s.Proved, s.Points))
	}
	return strings.Join(parts, " ")
}

//go:embed report.html.tmpl
var page string

func (r *Report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "conformance.json"), raw, 0o644); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	f, err := os.Create(filepath.Join(dir, "conformance.html"))
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer f.Close() // Execute returns the error
	tmpl := template.Must(template.New("").Funcs(template.FuncMap{"short": short}).Parse(page))
	if err := tmpl.Execute(f, r); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// short returns a test's id without the module's path.
func short(id string) string { return strings.TrimPrefix(id, "github.com/tidebank/tidebank/") }

// unknown is the commit of a source outside git.
const unknown = "unknown"

// commit returns the commit of the tested source, or a text that it is unknown.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return unknown
	}
	return strings.TrimSpace(string(out))
}
