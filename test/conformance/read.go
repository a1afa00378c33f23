package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"

	"gopkg.in/yaml.v3"
)

// requirement is one clause of the standard.
type requirement struct {
	ID      string `yaml:"id" json:"id"`
	Section string `yaml:"section" json:"section"`
	Scope   string `yaml:"scope" json:"scope"`
	ZH      string `yaml:"zh" json:"zh"`
	EN      string `yaml:"en" json:"en"`
	Accept  string `yaml:"accept" json:"accept"`
}

func load(path string) ([]requirement, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	var doc struct {
		Requirements []requirement `yaml:"requirements"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	return doc.Requirements, nil
}

// outcome is what became of one test.
type outcome struct {
	Test   string `json:"test"` // package and name
	Action string `json:"action"`
	claims []string
}

// runResult is a whole run.
type runResult struct {
	tests          map[string]*outcome
	passed, failed int
	skipped        int
}

// event is a line of go test -json.
type event struct {
	Action  string `json:"Action"`
	Package string `json:"Package"`
	Test    string `json:"Test"`
	Output  string `json:"Output"`
}

var claim = regexp.MustCompile(`\bREQ ([A-Z0-9]+-\d+)\s*$`)

// read follows a run, passing on a line per package and all that failing tests
// printed.
func read(in io.Reader, show io.Writer) (*runResult, error) {
	r := &runResult{tests: map[string]*outcome{}}
	said := map[string][]string{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(show, lines.Text()) // the build's own words
			continue
		}
		r.take(e, said, show)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the run: %w", err)
	}
	return r, nil
}

func (r *runResult) take(e event, said map[string][]string, show io.Writer) {
	id := e.Package
	if e.Test != "" {
		id += "." + e.Test
	}
	switch e.Action {
	case "output", "build-output":
		said[id] = append(said[id], e.Output)
		if m := claim.FindStringSubmatch(e.Output); m != nil && e.Test != "" {
			t := r.test(id)
			t.claims = append(t.claims, m[1])
		}
		if e.Action == "build-output" {
			fmt.Fprint(show, e.Output)
		}
	case "pass", "fail", "skip":
		r.finish(e, id, said[id], show)
		delete(said, id)
	}
}

func (r *runResult) finish(e event, id string, said []string, show io.Writer) {
	if e.Test == "" {
		if e.Action == "fail" {
			r.failed++
		}
		if len(said) > 0 {
			fmt.Fprint(show, said[len(said)-1])
		}
		return
	}
	r.test(id).Action = e.Action
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
	case "fail":
		r.failed++
		for _, line := range said {
			fmt.Fprint(show, line)
		}
	}
}

func (r *runResult) test(id string) *outcome {
	t, ok := r.tests[id]
	if !ok {
		t = &outcome{Test: id}
		r.tests[id] = t
	}
	return t
}
