// Command conformance reports which requirements of the standard a test run
// proved.
//
//	go test -json ./... | go run ./test/conformance
//
// It reads the run's events, takes each "REQ <id>" line as a claim by the test
// that printed it, and writes build/conformance.html and build/conformance.json.
// A claim counts only if its test ran and passed. The run's own output is passed
// on, package by package, so that a failure can be read. It exits with 1 when a
// test failed or a claim names no requirement.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	catalogue := flag.String("catalogue", "test/conformance/testdata/requirements.yaml", "the requirements")
	out := flag.String("out", "build", "folder for the reports")
	flag.Parse()
	if err := run(*catalogue, *out); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(catalogue, out string) error {
	requirements, err := load(catalogue)
	if err != nil {
		return err
	}
	result, err := read(os.Stdin, os.Stdout)
	if err != nil {
		return err
	}
	report, unknown := judge(requirements, result)
	if err := report.write(out); err != nil {
		return err
	}
	fmt.Println(report.Line())
	switch {
	case len(unknown) > 0:
		return fmt.Errorf("claims of requirements that do not exist: %v", unknown)
	case result.failed > 0:
		return fmt.Errorf("%d tests or packages failed", result.failed)
	case result.passed == 0:
		return fmt.Errorf("no test passed in this run")
	}
	return nil
}
