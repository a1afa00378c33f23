package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	keep, down, list bool
	only             []string // names of checks; empty means all
	folder           string   // build/cluster
}

// Parts of the command, as its first argument. Without one it is the outer process.
const (
	partInit   = "init"   // the first process of the new namespaces
	partNode   = "node"   // the machine
	partChecks = "checks" // who looks at it
)

func main() {
	if err := dispatch(os.Args[1:]); err != nil {
		if !errors.Is(err, errChecksFailed) {
			fmt.Fprintln(os.Stderr, "test-knative:", err)
		}
		os.Exit(1)
	}
}

func dispatch(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case partInit:
			return beInit(args[1:])
		case partNode:
			return beNode(args[1])
		case partChecks:
			return beChecks(args[1], args[2:])
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.list {
		for _, c := range allChecks() {
			fmt.Printf("%-12s %s\n", c.name, c.shows)
		}
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return outside(ctx, o)
}

func parse(args []string) (options, error) {
	var o options
	var only string
	flags := flag.NewFlagSet("cluster", flag.ExitOnError)
	flags.BoolVar(&o.keep, "keep", false, "leave the cluster up; the next run uses it")
	flags.BoolVar(&o.down, "down", false, "end a cluster that --keep has left")
	flags.BoolVar(&o.list, "list", false, "list the checks")
	flags.StringVar(&only, "only", "", "run only these checks, with commas between them")
	flags.StringVar(&o.folder, "folder", "build/cluster", "where the programs and logs go")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	for name := range strings.SplitSeq(only, ",") {
		if name == "" {
			continue
		}
		if !known(name) {
			return o, fmt.Errorf("there is no check %q; --list lists them", name)
		}
		o.only = append(o.only, name)
	}
	if os.Geteuid() != 0 {
		return o, errors.New("run it as root: it makes namespaces, cgroups and network links of its own")
	}
	return o, nil
}

// started is when this process began, for the lines of progress.
var started = time.Now()

// say prints a line of progress with the time since the start.
func say(format string, args ...any) {
	fmt.Printf("%5.0fs  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}
