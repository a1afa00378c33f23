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
)

// line is a requirement with what the run says of it.
type line struct {
	requirement
	Status string    `json:"status"` // covered, failed, none
	Tests  []outcome `json:"tests"`
}

// Report is what one run proved.
type Report struct {
	Passed  int    `json:"passed"`
	Failed  int    `json:"failed"`
	Skipped int    `json:"skipped"`
	Lines   []line `json:"requirements"`
}

// judge joins claims and requirements; unknown are claims of nothing.
func judge(requirements []requirement, r *runResult) (rep Report, unknown []string) {
	rep = Report{Passed: r.passed, Failed: r.failed, Skipped: r.skipped}
	claims := map[string][]outcome{}
	for _, t := range r.tests {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(t.claims))) {
			claims[id] = append(claims[id], *t)
		}
	}
	for _, req := range requirements {
		l := line{requirement: req, Status: "none", Tests: claims[req.ID]}
		delete(claims, req.ID)
		slices.SortFunc(l.Tests, func(a, b outcome) int { return strings.Compare(a.Test, b.Test) })
		for _, t := range l.Tests {
			switch {
			case t.Action == "fail" || t.Action == "":
				l.Status = "failed"
			case t.Action == "pass" && l.Status == "none":
				l.Status = "covered"
			}
		}
		rep.Lines = append(rep.Lines, l)
	}
	for id := range claims {
		unknown = append(unknown, id)
	}
	slices.Sort(unknown)
	return rep, unknown
}

// Count is how many requirements of a scope there are and how many are covered.
func (r Report) Count(scope string) (covered, total int) {
	for _, l := range r.Lines {
		if l.Scope == scope {
			total++
			if l.Status == "covered" {
				covered++
			}
		}
	}
	return covered, total
}

// Line is the summary.
func (r Report) Line() string {
	parts := []string{"CONFORMANCE"}
	for _, scope := range []string{"server", "web", "ops"} {
		covered, total := r.Count(scope)
		parts = append(parts, fmt.Sprintf("%s %d/%d", scope, covered, total))
	}
	return strings.Join(parts, " ")
}

//go:embed report.html.tmpl
var page string

func (r Report) write(dir string) error {
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
	defer f.Close() // Execute's error tells
	if err := template.Must(template.New("").Parse(page)).Execute(f, r); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
