// Command bench measures Tidebank and its references in the same run, on this
// machine.
//
//	go run ./test/bench [--quick] [--clients 16] [--only confirm]
//
// It starts its own PostgreSQL with fsync and synchronous_commit on. It starts the
// machine's redis-server. Without redis-server, it runs a Redis in its own memory. It
// prints lines
//
//	RATIO <name> <value> target <value>
//
// Names that end in _vs_tpcb are ratios to pgbench's TPC-B-like transactions with
// prepared statements on the same server: higher is better. coldstart_vs_bare is
// the ratio to the start of test/bench/bare, and handshake_v2_vs_v1 the ratio to a
// handshake of version 1: lower is better. Names that end in _ms
// are milliseconds: lower is better. Ratios mean the same on another machine. docs/performance.md explains each. Rounds of reference and
// measurement alternate; medians are taken.
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
	"time"
)

type options struct {
	quick   bool
	only    string
	rounds  int
	round   time.Duration
	scale   int // of pgbench
	pool    int // number of accounts
	clients int // concurrent clients of the ledger and of pgbench
	callers int // concurrent callers of the confirm
}

// parts are the parts of the benchmark; the last runs only by name.
var parts = []string{"ledger", "confirm", "factors", "handshake", "coldstart", "flood", "connections"}

func main() {
	o := options{rounds: 3, round: 12 * time.Second, scale: 50, pool: 100_000, callers: 64}
	flag.BoolVar(&o.quick, "quick", false, "one short round on small tables: a smoke test, not a measurement")
	flag.StringVar(&o.only, "only", "", strings.Join(parts, ", ")+" (the last only by name)")
	flag.IntVar(&o.clients, "clients", 16, "concurrent postings, and pgbench clients")
	flag.Parse()
	if flag.Arg(0) == holdArgument {
		if err := holdConnections(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if flag.NArg() > 0 || o.only != "" && !slices.Contains(parts, o.only) {
		flag.Usage()
		os.Exit(2)
	}
	if o.quick {
		o.rounds, o.round, o.scale, o.pool = 1, 3*time.Second, 5, 10_000
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o options) wants(part string) bool { return o.only == "" || o.only == part }

func run(ctx context.Context, o options) (err error) {
	m, err := openMachine(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if o.wants("ledger") {
		if err := ledgerRatios(ctx, m, o); err != nil {
			return err
		}
	}
	if o.wants("confirm") {
		if err := confirmRatio(ctx, m, o); err != nil {
			return err
		}
	}
	if o.wants("factors") {
		if err := factorRatios(ctx, m, o); err != nil {
			return err
		}
	}
	if o.wants("handshake") {
		if err := handshakeRatio(ctx, m, o); err != nil {
			return err
		}
	}
	if o.wants("coldstart") {
		if err := coldStart(ctx, m, o); err != nil {
			return err
		}
	}
	if o.wants("flood") {
		if err := floodDelivery(ctx, m, o); err != nil {
			return err
		}
	}
	if o.only == "connections" {
		return connections(ctx, m, o)
	}
	return nil
}

// ratio prints a result for people and machines.
func ratio(name string, value, target float64) {
	fmt.Printf("RATIO %s %.2f target %.2f\n", name, value, target)
}

func say(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
