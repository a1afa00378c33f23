package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/tidebank/tidebank/test/req"
)

// outcome is the result of one test.
type outcome struct {
	Package, Test string
	action        string // pass, fail or skip; empty if the test never finished
	claims        []string
	broken        []string // what it would claim if it had passed
}

func (o *outcome) id() string { return o.Package + "." + o.Test }

// points are the points that the test proves, or would prove if it had passed.
func (o *outcome) points() []string {
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(o.claims), o.broken...))))
}

// lacking are the points that a failed test would have proved.
func (o *outcome) lacking() []string {
	if o.action == "pass" || o.action == "skip" {
		return nil
	}
	return o.points()
}

// runResult is a whole run.
type runResult struct {
	tests           map[string]*outcome
	failed          []string // tests and packages that failed
	passed, skipped int
	exit            string // the go command's failure; empty if it succeeded
}

// event is a line of go test -json.
type event struct {
	Action  string `json:"Action"`
	Package string `json:"Package"`
	Test    string `json:"Test"`
	Output  string `json:"Output"`
	Key     string `json:"Key"`
	Value   string `json:"Value"`
}

// name returns the id of the event's test or package.
func (e event) name() string {
	if e.Test == "" {
		return e.Package
	}
	return e.Package + "." + e.Test
}

// goTest runs the go command in a folder and follows its events. Claims must carry the nonce.
// It returns an error only if the run could not be followed.
func goTest(ctx context.Context, dir string, args []string, nonce string, show io.Writer) (*runResult, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), req.NonceKey+"="+nonce)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("go test: %w", err)
	}
	r, err := read(out, nonce, show)
	if waited := cmd.Wait(); err == nil && waited != nil {
		r.exit = waited.Error()
	}
	return r, err
}

// reader follows a run.
type reader struct {
	*runResult
	nonce string
	said  map[string][]string // output by test, until the test ends
	show  io.Writer
}

// read follows a run. It passes on a line for each package and all that failing
// tests printed.
func read(in io.Reader, nonce string, show io.Writer) (*runResult, error) {
	r := &reader{runResult: &runResult{tests: map[string]*outcome{}}, nonce: nonce, said: map[string][]string{}, show: show}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line)
		}
		if errors.Is(err, io.EOF) {
			return r.runResult, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the run: %w", err)
		}
	}
}

// line takes an event, or prints a line of the go command itself.
func (r *reader) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil || e.Action == "" {
		fmt.Fprint(r.show, string(line))
		return
	}
	r.take(e)
}

func (r *reader) take(e event) {
	switch e.Action {
	case "run":
		r.test(e)
	case "build-output":
		fmt.Fprint(r.show, e.Output)
	case "output":
		r.said[e.name()] = append(r.said[e.name()], e.Output)
	case "attr":
		nonce, id, _ := strings.Cut(e.Value, " ")
		if e.Test == "" || nonce != r.nonce || nonce == "" {
			return
		}
		switch t := r.test(e); e.Key {
		case req.Attribute:
			t.claims = append(t.claims, id)
		case req.FailedAttribute:
			t.broken = append(t.broken, id)
		}
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
	}
}

func (r *reader) endTest(e event) {
	t := r.test(e)
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
	case "fail":
		r.failed = append(r.failed, e.name())
		r.print(e.name())
	}
	if t.action == "" || t.action == "pass" {
		t.action = e.Action // the worst result if a test runs more than once
	}
	delete(r.said, e.name())
}

// endPackage prints the package's closing line. For a failed package, it prints the
// package's whole output and the output of unfinished tests.
func (r *reader) endPackage(e event) {
	said := r.said[e.Package]
	if e.Action == "fail" {
		r.failed = append(r.failed, e.Package)
		for _, t := range r.inOrder() {
			if t.Package == e.Package && t.action == "" {
				r.print(t.id())
			}
		}
		r.print(e.Package)
	} else if len(said) > 0 {
		fmt.Fprint(r.show, said[len(said)-1])
	}
	delete(r.said, e.Package)
}

func (r *reader) print(name string) {
	for _, line := range r.said[name] {
		fmt.Fprint(r.show, line)
	}
}

func (r *reader) test(e event) *outcome {
	t, ok := r.tests[e.name()]
	if !ok {
		t = &outcome{Package: e.Package, Test: e.Test}
		r.tests[e.name()] = t
	}
	return t
}

// inOrder returns all tests, by package and name.
func (r *runResult) inOrder() []*outcome {
	return slices.SortedFunc(maps.Values(r.tests), func(a, b *outcome) int {
		return cmp.Or(strings.Compare(a.Package, b.Package), strings.Compare(a.Test, b.Test))
	})
}

// ancestors returns the test's id and the ids of all tests that may contain it. A
// subtest's own name may contain a slash; then some of these ids are not tests.
func (o *outcome) ancestors() []string {
	ids := []string{o.id()}
	for i, c := range o.Test {
		if c == '/' {
			ids = append(ids, o.Package+"."+o.Test[:i])
		}
	}
	return ids
}

// voids returns, by the test's id, the reason why the test's claims do not count. A
// test without a reason has passed with all its subtests and parent tests.
func (r *runResult) voids() map[string]string {
	reasons := map[string]string{}
	for _, t := range r.inOrder() {
		for _, id := range t.ancestors() {
			above := r.tests[id]
			switch {
			case above == nil:
			case t.action == "skip":
				reasons[id] = t.Test + " was skipped"
			case above.action != "pass":
				reasons[t.id()] = above.Test + " did not pass"
			}
		}
	}
	return reasons
}
