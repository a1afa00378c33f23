// Command ha breaks the bank's parts while customers use it, and counts what is lost:
// the database's primary, the cache, instances of the functions, a site, both sites.
//
//	go run ./test/platform/ha [--only primary,cache] [--keep]
//
// It runs etcd, Patroni, PostgreSQL, Redis and the bank as processes of its own, in a
// temporary folder and on free ports, and ends them all. It installs missing Debian
// packages. It needs root on Linux. The last line of its output is
//
//	HA lost=<n> doubled=<n> recovery_s=<x>
//
// lost counts transfers that the bank acknowledged and does not have, doubled counts
// orders that moved money more than once, and recovery_s is the longest time from a
// failure until a login and a transfer succeeded again. docs/availability.md explains it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) == 3 && os.Args[1] == beFunctions {
		err = serveFunctions(ctx, os.Args[2])
	} else if len(os.Args) == 2 && os.Args[1] == beMessaging {
		err = runMessaging(ctx)
	} else {
		err = command(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ha:", err)
		stop()
		os.Exit(1)
	}
}

var (
	errUsage  = errors.New("unknown argument or drill")
	errFailed = errors.New("a drill failed")
)

func command(ctx context.Context) error {
	only := flag.String("only", "", "drills to run, with commas between them")
	keep := flag.Bool("keep", false, "keep the folder with the logs")
	flag.Parse()
	var names []string
	if *only != "" {
		names = strings.Split(*only, ",")
	}
	for _, name := range names {
		if !slices.ContainsFunc(allDrills(), func(d drill) bool { return d.name == name }) {
			return fmt.Errorf("%w: %s", errUsage, name)
		}
	}
	if flag.NArg() > 0 {
		return fmt.Errorf("%w: %s", errUsage, flag.Arg(0))
	}
	programs, err := findPrograms(ctx)
	if err != nil {
		return err
	}
	l, err := newLab(programs)
	if err != nil {
		return err
	}
	defer l.end(*keep)
	return rehearse(ctx, l, names)
}
