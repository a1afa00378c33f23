// Command mutate runs mutation tests. It changes one operator of the code at a time,
// and checks whether the package's own tests fail.
//
//	go run ./test/mutate [--gremlins build/bin/gremlins] [--v] [packages]
//
// A package is a folder, such as shared/limit. Without packages it tests all targets.
// The program gremlins makes the mutants. For each package it prints
//
//	MUTATE <package> efficacy <percent> coverage <percent>
//
// Efficacy is killed ÷ (killed + survived). Coverage is the part of all mutants
// that some test executes. Mutants that don't compile and mutants that time out
// count in neither. The go command does not say whether constants and the conditions
// of cases are executed, so their mutants are always tried.
//
// survivors.yaml explains the mutants that no test can kill. The program exits with
// 1 if a mutant survived without an explanation. It works on a copy of the module,
// so the sources may be edited meanwhile. A package takes minutes to an hour; --v shows
// each mutant as it is tried, on stderr.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

// target is a package to mutate.
type target struct {
	dir   string
	files []string // files to mutate; all if empty
}

// targets lists the packages that decide about money, identity and permissions.
func targets() []target {
	return []target{
		{dir: "shared/money"},
		{dir: "shared/page"},
		{dir: "shared/bankerr"},
		{dir: "shared/mask"},
		{dir: "shared/limit"},
		{dir: "shared/idem"},
		{dir: "shared/otp"},
		{dir: "shared/session"},
		{dir: "shared/ledger"},
		{dir: "shared/stepup"},
		{dir: "shared/fn", files: []string{"decode.go", "event.go", "http.go", "spec.go", "stages.go"}},
	}
}

var errSurvivors = errors.New("mutants survived that survivors.yaml does not explain")

func main() {
	if filepath.Base(os.Args[0]) == "go" {
		os.Exit(goCommand(os.Args[1:]))
	}
	gremlins := flag.String("gremlins", "build/bin/gremlins", "the gremlins program")
	verbose := flag.Bool("v", false, "show each mutant as it is tried")
	flag.Parse()
	watch := io.Discard
	if *verbose {
		watch = os.Stderr
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *gremlins, flag.Args(), watch)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, gremlins string, packages []string, watch io.Writer) (err error) {
	known, err := readSurvivors("test/mutate/survivors.yaml")
	if err != nil {
		return err
	}
	w, err := newWorkshop(ctx, gremlins, watch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(w.dir)) }()
	unexplained := 0
	for _, t := range choose(packages) {
		mutants, err := w.mutate(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.dir, err)
		}
		j := judge(t.dir, mutants, known)
		j.print(os.Stdout)
		unexplained += len(j.unexplained)
	}
	if unexplained > 0 {
		return fmt.Errorf("%w: %d", errSurvivors, unexplained)
	}
	return nil
}

// choose returns the named targets, or all targets if packages is empty.
func choose(packages []string) []target {
	all := targets()
	if len(packages) == 0 {
		return all
	}
	chosen := make([]target, 0, len(packages))
	for _, name := range packages {
		t := target{dir: filepath.ToSlash(filepath.Clean(name))}
		if i := slices.IndexFunc(all, func(a target) bool { return a.dir == t.dir }); i >= 0 {
			t = all[i]
		}
		chosen = append(chosen, t)
	}
	return chosen
}
