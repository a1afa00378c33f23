package main

import (
	_ "embed" // the page
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/conformance/catalogue"
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
	ID     string   `json:"id"`
	Text   string   `json:"text"`
	Tests  []string `json:"tests"`            // package and name of each test that proves the point
	Failed []string `json:"failed,omitempty"` // tests that would prove the point, and failed
}

// Proved reports whether tests prove the point, and none of its tests failed.
func (p point) Proved() bool { return len(p.Tests) > 0 && len(p.Failed) == 0 }

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

// Report is the result of one run of the tests, and of the records that count
// (test/platform/record).
type Report struct {
	Command  string     `json:"command"`
	Commit   string     `json:"commit"`
	Source   string     `json:"source"` // digest of the tested source; empty with changes that are not committed
	Started  time.Time  `json:"started"`
	Passed   int        `json:"passed"`
	Skipped  int        `json:"skipped"`
	Failed   []string   `json:"failed"` // tests and packages that failed
	Exit     string     `json:"exit"`   // the go command's failure
	Totals   []total    `json:"totals"`
	Void     []claim    `json:"void"`     // claims of tests that did not pass completely
	Unknown  []claim    `json:"unknown"`  // claims of points that the catalogue does not have
	Unproved []citation `json:"unproved"` // requirements that Specs name and this run proves no point of
	Broken   []claim    `json:"broken"`   // failed checks of records that count
	Records  []kept     `json:"records"`  // runs of platforms and of other modules
	Lines    []line     `json:"requirements"`
}

// proofs are the tests by the point that they prove, or would prove if they had passed.
type proofs struct{ by, failed map[string][]string }

// judge joins the requirements, the claims of the tests, and the records.
func judge(requirements []catalogue.Requirement, r *runResult, on records) Report {
	rep := Report{Passed: r.passed, Skipped: r.skipped, Failed: r.failed, Exit: r.exit, Source: on.source}
	known := catalogue.PointIDs(requirements)
	proof := &proofs{by: map[string][]string{}, failed: map[string][]string{}}
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
				proof.by[id] = append(proof.by[id], t.id())
			}
		}
		for _, id := range t.lacking() {
			proof.failed[id] = append(proof.failed[id], t.id())
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

func newLine(r catalogue.Requirement, proof *proofs) line {
	l := line{Requirement: r, Status: open}
	for i, text := range r.Points {
		id := r.PointID(i)
		p := point{ID: id, Text: text, Tests: proof.by[id], Failed: proof.failed[id]}
		if p.Proved() {
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
	for _, c := range r.Broken {
		problems = append(problems, fmt.Sprintf("%s failed: %s", c.Test, c.Reason))
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
	for _, k := range r.Records {
		if k.LeftOut != "" {
			notes = append(notes, fmt.Sprintf("%s does not count (%s, commit %s): %s", k.File, k.Command, k.Commit, k.LeftOut))
		}
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
