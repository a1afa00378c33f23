package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidebank/tidebank/test/platform/record"
)

// errModule says that tests of another module failed; their output is printed already.
var errModule = errors.New("tests of the module failed")

// runModule runs the tests of another module and keeps a record of them (test/platform/record).
func runModule(ctx context.Context, o options, show io.Writer) error {
	command := append([]string{"go run ./test/conformance -module", o.module}, o.packages...)
	run, err := record.Begin(ctx, ".", filepath.Base(filepath.Clean(o.module)), strings.Join(command, " "))
	if err != nil {
		return err
	}
	r, err := goTest(ctx, o.module, o.args(), rand.Text(), show)
	if err != nil {
		return err
	}
	addTests(&run, r)
	if err := run.Replace(ctx, ".", o.out); err != nil {
		return err
	}
	if slices.ContainsFunc(run.Checks, func(c record.Check) bool { return c.Result == record.Failed }) {
		return fmt.Errorf("%w: %s", errModule, o.module)
	}
	return nil
}

// addTests adds the tests of a run to a record, with the points that they claim. It leaves
// out the parts of tests that neither failed nor claim anything.
func addTests(run *record.Run, r *runResult) {
	voids := r.voids()
	failed := false
	for _, t := range r.inOrder() {
		c := record.Check{Name: short(t.id()), Result: record.Passed, Why: voids[t.id()], Points: t.points()}
		switch {
		case t.action == "fail" || t.action == "":
			failed, c.Result = true, record.Failed
		case c.Why != "":
			c.Result = record.Void
		}
		if c.Result == record.Failed || len(c.Points) > 0 || !strings.Contains(t.Test, "/") {
			run.Put(c)
		}
	}
	switch {
	case !failed && (r.exit != "" || len(r.failed) > 0):
		run.Add(record.Check{Name: "go test"}, fmt.Errorf("%w: %s %v", errModule, r.exit, r.failed))
	case r.passed == 0:
		run.Add(record.Check{Name: "go test"}, fmt.Errorf("%w: no test passed", errModule))
	}
}

// records are those of platforms and modules, and the source that this run tests.
type records struct {
	source string
	files  []record.File
}

func readRecords(ctx context.Context, folders ...string) (on records, err error) {
	if on.files, err = record.Read(folders...); err != nil {
		return on, err
	}
	on.source, err = record.Source(ctx, ".")
	return on, err
}

// kept is a record as the report lists it.
type kept struct {
	File    string    `json:"file"`
	Command string    `json:"command"`
	Commit  string    `json:"commit"`
	At      time.Time `json:"at"`
	Checks  int       `json:"checks"`
	Failed  int       `json:"failed"`
	LeftOut string    `json:"left_out,omitempty"` // the reason why the record does not count
}

// leftOut returns the reason why a record does not count, or nothing.
func (on records) leftOut(r record.Run) string {
	switch {
	case r.Source == record.Unknown:
		return "its source had changes that were not committed, or changed during the run"
	case on.source == record.Unknown:
		return "the present source has changes that are not committed"
	case r.Source != on.source:
		return "it is of another source"
	}
	return ""
}

// join adds what records of the same source have proved.
func (r *Report) join(on records, known map[string]bool, proof *proofs) {
	counted := map[string][]record.Run{}
	var names []string
	for _, f := range on.files {
		k := kept{File: f.Path, Command: f.Command, Commit: f.Commit, At: f.At, Checks: len(f.Checks), LeftOut: on.leftOut(f.Run)}
		for _, c := range f.Checks {
			if c.Result == record.Failed {
				k.Failed++
			}
		}
		r.Records = append(r.Records, k)
		if k.LeftOut != "" {
			continue
		}
		if counted[f.Name] == nil {
			names = append(names, f.Name)
		}
		counted[f.Name] = append(counted[f.Name], f.Run)
	}
	for _, name := range names {
		command := counted[name][0].Command
		for _, c := range record.Latest(counted[name]...) {
			r.take(command, c, known, proof)
		}
	}
}

// take adds one check of a record that counts.
func (r *Report) take(command string, c record.Check, known map[string]bool, proof *proofs) {
	by := fmt.Sprintf("%s: %s (commit %s, %s)", command, c.Name, c.Commit, c.At.Format("2006-01-02 15:04 -07:00"))
	if c.Result == record.Failed {
		r.Broken = append(r.Broken, claim{Test: by, Reason: c.Why})
	}
	for _, id := range c.Points {
		switch {
		case !known[id]:
			r.Unknown = append(r.Unknown, claim{Test: by, ID: id})
		case c.Result == record.Passed:
			proof.by[id] = append(proof.by[id], by)
		case c.Result == record.Failed:
			proof.failed[id] = append(proof.failed[id], by)
		default:
			r.Void = append(r.Void, claim{Test: by, ID: id, Reason: c.Why})
		}
	}
}

// keepEvidence copies the records of the present source to the folder for auditors.
func keepEvidence(ctx context.Context, o options, show io.Writer) error {
	on, err := readRecords(ctx, o.out)
	if err != nil {
		return err
	}
	copied, err := record.Copy(on.source, o.out, o.evidence)
	for _, path := range copied {
		fmt.Fprintln(show, "conformance: kept", path)
	}
	if err != nil {
		return err
	}
	for _, f := range on.files {
		if why := on.leftOut(f.Run); why != "" {
			fmt.Fprintf(show, "conformance: left out %s: %s\n", f.Path, why)
		}
	}
	return nil
}
