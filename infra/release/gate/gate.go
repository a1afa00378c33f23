// Package gate decides whether a release may leave the bank's workshop, and writes down
// what it holds.
//
// A release is stopped by a failed stage, an open finding of a scan, a component that is
// not on the list of allowed software, a known vulnerability, an unsigned exception, a
// commit without a review, or a kind of test that nobody has run. Each reason is a
// Problem: what is wrong, and how to cure it. A tool that could not decide, for example
// because the list of vulnerabilities is missing, also stops the release.
package gate

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// Problem is a reason that stops a release.
type Problem struct {
	Rule string `json:"rule"` // what was checked: stage, review, component, …
	What string `json:"what"`
	Cure string `json:"cure"`
}

// String is the problem as a sentence for people.
func (p Problem) String() string { return fmt.Sprintf("%s: %s. %s.", p.Rule, p.What, p.Cure) }

// problem makes a problem; the arguments fill what.
func problem(rule, cure, what string, args ...any) Problem {
	return Problem{Rule: rule, What: fmt.Sprintf(what, args...), Cure: cure}
}

// The gate's own files, below the source's root.
const (
	planFile       = "infra/release/plan.yaml"
	componentsFile = "infra/release/components.yaml"
)

// readYAML reads a file of the source, and refuses fields that the value does not have.
func readYAML(root, name string, into any) error {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// say prints a line of progress; a lost line does no harm.
func say(to io.Writer, form string, args ...any) { _, _ = fmt.Fprintf(to, form+"\n", args...) }
