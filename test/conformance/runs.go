package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const module = "github.com/tidebank/tidebank"

// sequential are the packages, and all below a name that ends in "/", whose tests call one function
// after another, read the source, or write files. The race detector makes them up to eight times
// slower. The same code runs at once, with the detector, in the tests of shared, functions/*, events,
// workers and the journeys.
var sequential = []string{"docs", "functions", "infra/", "test/flow", "test/conformance/", "test/mutate"}

func isSequential(name string) bool {
	inside := strings.TrimPrefix(strings.TrimPrefix(name, module), "/")
	return slices.ContainsFunc(sequential, func(s string) bool {
		return inside == strings.TrimSuffix(s, "/") || strings.HasSuffix(s, "/") && strings.HasPrefix(inside, s)
	})
}

// runs are the arguments of the go commands that run all tests: with -race, one with the detector and
// one without it.
func (o options) runs(all []string) [][]string {
	if !o.race || len(o.packages) > 0 {
		return [][]string{o.args()}
	}
	raced, plain := o, o
	plain.race = false
	for _, name := range all {
		if isSequential(name) {
			plain.packages = append(plain.packages, name)
		} else {
			raced.packages = append(raced.packages, name)
		}
	}
	return [][]string{plain.args(), raced.args()}
}

// list names all packages.
func list(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// test runs the tests and joins the results.
func (o options) test(ctx context.Context, nonce string, show io.Writer) (*runResult, error) {
	all, err := list(ctx)
	if err != nil {
		return nil, err
	}
	whole := &runResult{tests: map[string]*outcome{}}
	for _, args := range o.runs(all) {
		part, err := goTest(ctx, "", args, nonce, show)
		if err != nil {
			return nil, err
		}
		whole.join(part)
	}
	return whole, nil
}

// join adds the result of a run of other packages.
func (r *runResult) join(other *runResult) {
	maps.Copy(r.tests, other.tests)
	r.failed = append(r.failed, other.failed...)
	r.passed += other.passed
	r.skipped += other.skipped
	r.exit = cmp.Or(r.exit, other.exit)
}
