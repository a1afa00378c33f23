package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

// place is a position in a source file.
type place struct{ line, column int }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column))
}

// block is a part of a source file that the go command counts.
type block struct{ start, end place }

// fileEnd is behind every line.
var fileEnd = place{line: 1 << 30, column: 1}

// fillGaps adds to a coverage profile the parts of each file that the go command does
// not count: constants, package variables and the conditions of cases. gremlins tries
// no mutant outside a covered block, and would call these mutants not covered.
func fillGaps(profile []byte) ([]byte, error) {
	counted := map[string][]block{}
	var names []string
	for line := range strings.Lines(string(profile)) {
		name, rest, found := cutLast(strings.TrimSpace(line), ":")
		if !found || name == "mode" {
			continue
		}
		var b block
		_, err := fmt.Sscanf(rest, "%d.%d,%d.%d", &b.start.line, &b.start.column, &b.end.line, &b.end.column)
		if err != nil {
			return nil, fmt.Errorf("coverage %q: %w", line, err)
		}
		if counted[name] == nil {
			names = append(names, name)
		}
		counted[name] = append(counted[name], b)
	}
	out := bytes.NewBuffer(slices.Clone(profile))
	for _, name := range names {
		for _, g := range gaps(counted[name]) {
			fmt.Fprintf(out, "%s:%d.%d,%d.%d 1 1\n", name, g.start.line, g.start.column, g.end.line, g.end.column)
		}
	}
	return out.Bytes(), nil
}

// gaps are the parts of a file that no block covers.
func gaps(blocks []block) []block {
	slices.SortFunc(blocks, func(a, b block) int { return a.start.compare(b.start) })
	var found []block
	at := place{line: 1, column: 1}
	for _, b := range append(blocks, block{start: fileEnd, end: fileEnd}) {
		if at.compare(b.start) < 0 {
			found = append(found, block{start: at, end: b.start})
		}
		if at.compare(b.end) < 0 {
			at = b.end
		}
	}
	return found
}

func cutLast(text, separator string) (before, after string, found bool) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(separator):], true
}

// fillProfile fills the gaps of the profile that the go command's arguments name.
func fillProfile(args []string) error {
	at := slices.Index(args, "-coverprofile")
	if at < 0 || at+1 == len(args) {
		return nil
	}
	profile, err := os.ReadFile(args[at+1])
	if err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	if profile, err = fillGaps(profile); err != nil {
		return err
	}
	if err := os.WriteFile(args[at+1], profile, 0o600); err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	return nil
}
