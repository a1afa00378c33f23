package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// errModule says that tests of another module failed; their output is printed already.
var errModule = errors.New("tests of the module failed")

// kept are the results of a module's own run. A report takes them only for the commit that
// they were made of.
type kept struct {
	Module string     `json:"module"`
	Commit string     `json:"commit"`
	Tests  []keptTest `json:"tests"`
	Passed int        `json:"passed"`
	Failed []string   `json:"failed"`
}

// keptTest is one test: its result, and the claims that carried the nonce of its run.
type keptTest struct {
	Package string   `json:"package"`
	Test    string   `json:"test"`
	Action  string   `json:"action"`
	Claims  []string `json:"claims,omitempty"`
}

// runModule runs the tests of another module and keeps their results below the report's
// folder.
func runModule(ctx context.Context, o options, show io.Writer) error {
	r, err := goTest(ctx, o.module, o.args(), rand.Text(), show)
	if err != nil {
		return err
	}
	k := kept{Module: o.module, Commit: commit(ctx), Passed: r.passed, Failed: r.failed}
	for _, t := range r.inOrder() {
		k.Tests = append(k.Tests, keptTest{Package: t.Package, Test: t.Test, Action: t.action, Claims: t.claims})
	}
	raw, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	path := filepath.Join(o.out, "claims", strings.ReplaceAll(filepath.ToSlash(filepath.Clean(o.module)), "/", "-")+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	if len(r.failed) > 0 || r.exit != "" || r.passed == 0 {
		return fmt.Errorf("%w: %s", errModule, o.module)
	}
	return nil
}

// merge adds the results of other modules' runs of the same commit. It returns a note for
// each file that it leaves out.
func (r *runResult) merge(out, commit string) (notes []string, err error) {
	paths, err := filepath.Glob(filepath.Join(out, "claims", "*.json"))
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("claims: %w", err)
		}
		var k kept
		if err := json.Unmarshal(raw, &k); err != nil {
			return nil, fmt.Errorf("claims: %s: %w", path, err)
		}
		if k.Commit != commit || commit == unknown || strings.HasSuffix(commit, "-dirty") { // dirty: it may have changed since
			notes = append(notes, fmt.Sprintf("the tests of %s do not count: they ran on %s, and this is %s", k.Module, k.Commit, commit))
			continue
		}
		for _, t := range k.Tests {
			o := &outcome{Package: t.Package, Test: t.Test, action: t.Action, claims: t.Claims}
			r.tests[o.id()] = o
		}
		r.passed += k.Passed
		r.failed = append(r.failed, k.Failed...)
	}
	return notes, nil
}
