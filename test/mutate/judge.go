package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// survivor names a mutant by its text, so that edits elsewhere in the file don't
// matter.
type survivor struct {
	File     string `yaml:"file"`          // shared/page/page.go
	Mutation string `yaml:"mutation"`      // CONDITIONALS_BOUNDARY
	Line     string `yaml:"line"`          // if size «>» most {
	Why      string `yaml:"why,omitempty"` // the reason why no test can detect it
}

func (s survivor) same(t survivor) bool {
	return s.File == t.File && s.Mutation == t.Mutation && s.Line == t.Line
}

// mutant is a mutant with its result.
type mutant struct {
	survivor
	status string // gremlins' status: KILLED, LIVED, NOT COVERED, TIMED OUT, NOT VIABLE
	number int    // line number
}

func readSurvivors(path string) ([]survivor, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("survivors: %w", err)
	}
	var all []survivor
	if err := yaml.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("survivors: %w", err)
	}
	return all, nil
}

// mark trims a line and marks the operator that starts at the column, counted from 1.
func mark(line string, column int) string {
	at := column - 1
	end := at
	for end < len(line) && strings.IndexByte("+-*/%<>=!&|^", line[end]) >= 0 {
		end++
	}
	return strings.TrimSpace(line[:at] + "«" + line[at:end] + "»" + line[end:])
}

// judgement is the result of a package's mutants.
type judgement struct {
	dir         string
	counts      map[string]int // by status
	uncovered   []mutant
	timedOut    []mutant
	explained   []mutant
	unexplained []mutant
	needless    []survivor // explained in survivors.yaml, but killed
}

func judge(dir string, mutants []mutant, known []survivor) judgement {
	j := judgement{dir: dir, counts: map[string]int{}}
	for _, m := range mutants {
		j.counts[m.status]++
		at := slices.IndexFunc(known, m.same)
		switch {
		case m.status == "NOT COVERED":
			j.uncovered = append(j.uncovered, m)
		case m.status == "TIMED OUT":
			j.timedOut = append(j.timedOut, m)
		case m.status == "KILLED" && at >= 0:
			j.needless = append(j.needless, known[at])
		case m.status == "LIVED" && at >= 0:
			m.Why = known[at].Why
			j.explained = append(j.explained, m)
		case m.status == "LIVED":
			j.unexplained = append(j.unexplained, m)
		}
	}
	return j
}

// efficacy and coverage are percentages. Without a mutant they are 100.
func (j judgement) efficacy() float64 {
	return percent(j.counts["KILLED"], j.counts["LIVED"])
}

func (j judgement) coverage() float64 {
	return percent(j.counts["KILLED"]+j.counts["LIVED"], j.counts["NOT COVERED"])
}

func percent(part, rest int) float64 {
	if part+rest == 0 {
		return 100
	}
	return 100 * float64(part) / float64(part+rest)
}

// print writes the line for programs, then the mutants that a person must check.
func (j judgement) print(out io.Writer) {
	fmt.Fprintf(out, "MUTATE %s efficacy %.1f coverage %.1f\n", j.dir, j.efficacy(), j.coverage())
	fmt.Fprintf(out, "  killed %d, survived %d (%d explained), not covered %d, timed out %d, not viable %d\n", j.counts["KILLED"],
		j.counts["LIVED"], len(j.explained), j.counts["NOT COVERED"], j.counts["TIMED OUT"], j.counts["NOT VIABLE"])
	show := func(word string, mutants []mutant) {
		for _, m := range mutants {
			fmt.Fprintf(out, "  %s %s:%d %s\n    %s\n", word, m.File, m.number, m.Mutation, m.Line)
			if m.Why != "" {
				fmt.Fprintf(out, "    %s\n", m.Why)
			}
		}
	}
	show("survived", j.unexplained)
	show("explained", j.explained)
	show("not covered", j.uncovered)
	show("timed out", j.timedOut)
	for _, s := range j.needless {
		fmt.Fprintf(out, "  killed, so survivors.yaml need not explain it: %s %s\n    %s\n", s.File, s.Mutation, s.Line)
	}
}
