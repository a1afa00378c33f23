// Command conformance runs the tests and reports which requirements of the
// standard this run proves.
//
//	go run ./test/conformance [-race] [-strict] [packages]
//
// It runs `go test -json -count=1 -vet=off` itself, for ./... if no package is named, from
// the root of the module. With -race and no package named, the packages whose tests do one thing
// after another run without the race detector (runs.go). It gives the run a fresh nonce, and counts only claims
// that carry it (test/req) and whose tests passed. It shows one line for each
// package, and all output of the tests that failed. It also counts the records of runs
// on real platforms, such as `make test-knative`, and of the tests of other modules, if
// they are of the same source (test/platform/record). It reads them in build and in
// docs/evidence. It writes build/conformance.html and build/conformance.json; the last
// line is the summary.
//
// Tests in modules of their own, such as those of a platform, run separately:
//
//	go run ./test/conformance -module test/platform/monitoring
//
// runs the tests of that module and keeps their record in build.
//
//	go run ./test/conformance -evidence
//
// copies the records of the present source from build to docs/evidence, for auditors.
//
// It exits with 1 when a test, a package or a check of a record that counts failed, a claim names no acceptance
// point, or no test passed. With -strict it also exits with 1 when a function's Spec
// names a requirement and this run proves no point of it. It checks Specs only in a
// run of all packages.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/test/conformance/catalogue"
	"github.com/tidebank/tidebank/test/platform/record"
)

type options struct {
	race, strict bool
	module       string        // folder of another module: run its tests and keep their results
	keep         bool          // copy the records to the evidence
	timeout      time.Duration // time-out of each package's tests
	out          string        // folder for the report and for new records
	evidence     string        // folder of the records for auditors
	packages     []string      // all if empty
}

func main() {
	o := options{evidence: record.Evidence}
	flag.BoolVar(&o.race, "race", false, "run the tests with the race detector")
	flag.BoolVar(&o.strict, "strict", false, "fail for a requirement that a Spec names and this run proves no point of")
	flag.StringVar(&o.module, "module", "", "run the tests of the module in this folder, and keep their record for the report")
	flag.BoolVar(&o.keep, "evidence", false, "copy the records of the present source to docs/evidence")
	flag.DurationVar(&o.timeout, "timeout", 20*time.Minute, "limit for the tests of one package")
	flag.StringVar(&o.out, "out", record.Fresh, "folder for the report and for records")
	flag.Parse()
	o.packages = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		if !errors.Is(err, errRunFailed) {
			fmt.Fprintln(os.Stderr, "conformance:", err)
		}
		os.Exit(1)
	}
}

// errRunFailed says that the problems are printed already.
var errRunFailed = errors.New("the run has problems")

func run(ctx context.Context, o options, show io.Writer) error {
	requirements, err := catalogue.Load(".")
	if err != nil {
		return err
	}
	switch {
	case o.module != "":
		return runModule(ctx, o, show)
	case o.keep:
		return keepEvidence(ctx, o, show)
	}
	started := time.Now()
	result, err := o.test(ctx, rand.Text(), show)
	if err != nil {
		return err
	}
	on, err := readRecords(ctx, o.out, o.evidence)
	if err != nil {
		return err
	}
	report := judge(requirements, result, on)
	report.Command = "go " + strings.Join(o.args(), " ")
	report.Started, report.Commit = started.Truncate(time.Second), commit(ctx)
	report.cite(citations(functions.All()), len(o.packages) == 0)
	if err := report.write(o.out); err != nil {
		return err
	}
	problems, notes := report.problems(o.strict)
	for _, n := range notes {
		fmt.Fprintln(show, "conformance: note:", n)
	}
	for _, p := range problems {
		fmt.Fprintln(show, "conformance: problem:", p)
	}
	fmt.Fprintln(show, report.Line())
	if len(problems) > 0 {
		return errRunFailed
	}
	return nil
}

// args are the arguments of the go command.
func (o options) args() []string {
	// -count=1 keeps go test from answering out of its cache. Lint vets the code, so the tests do not vet it again,
	// and they carry no debug information: both take minutes for two hundred packages.
	args := []string{"test", "-json", "-count=1", "-vet=off", "-ldflags=-w", "-timeout", o.timeout.String()}
	if o.race {
		args = append(args, "-race")
	}
	if len(o.packages) == 0 {
		return append(args, "./...")
	}
	return append(args, o.packages...)
}

// commit returns the commit of the tested source, or a text that it is unknown.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
