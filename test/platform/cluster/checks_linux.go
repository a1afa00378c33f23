package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// check is one thing that the cluster must show.
type check struct {
	name, shows string
	run         func(context.Context, *lab) error
}

// lab is what a check works with.
type lab struct {
	paths
	db *pgxpool.Pool
}

// allChecks lists the checks in the order in which they run.
func allChecks() []check {
	return []check{
		{"deploy", "one command deploys the bank to an empty cluster, and all of it becomes ready", deployed},
		{"demo", "a customer goes through the 14 steps of the demo, by the gateway", demo},
		{"registry", "the platform lists every service with version and health; a removed one is gone", registered},
		{"forged", "an invented event is refused: 404 from outside, 401 and 403 at the broker, 400 at a function", forged},
		{"failing", "a consumer fails: the others get the event, it becomes one dead letter, its replay succeeds", failing},
		{"rates", "calls are counted by the client's real address, with the activator and without it", rates},
		{"database", "PostgreSQL is away for 60 s: sealed refusals at once, and the bank recovers by itself", databaseDown},
		{"zero", "all functions go to zero, and wake by a request and by an event", zero},
		{"scale", "rising load adds instances, falling load removes them, and no call fails", scale},
		{"added", "functions that a deployment adds are found by callers that run already", added},
		{"alone", "a new version of one service changes no other", alone},
		{"upgrade", "upgrade, rollback and the loss of each pod, under load: no failed call, no wrong money", upgrade},
		{"hung", "an instance that hangs is replaced", hung},
	}
}

func known(name string) bool {
	return slices.ContainsFunc(allChecks(), func(c check) bool { return c.name == name })
}

const checkWithin = 10 * time.Minute

// beChecks runs checks beside the node and prints a line for each.
func beChecks(folder string, only []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := pgxpool.New(ctx, ownerURL)
	if err != nil {
		return err
	}
	defer db.Close()
	l := &lab{paths: paths{folder}, db: db}
	if err := l.ready(ctx); err != nil { // all other checks need a deployed bank
		fmt.Printf("KNATIVE deploy FAILED %s\n", oneLine(err))
		return errChecksFailed
	}
	failed := false
	for _, c := range allChecks() {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		begun := time.Now()
		err := within(ctx, checkWithin, func(ctx context.Context) error { return c.run(ctx, l) })
		say("%s took %.0f s", c.name, time.Since(begun).Seconds())
		if err != nil {
			failed = true
			fmt.Printf("KNATIVE %s FAILED %s\n", c.name, oneLine(err))
			continue
		}
		fmt.Printf("KNATIVE %s ok\n", c.name)
	}
	if failed {
		return errChecksFailed
	}
	return nil
}

func within(ctx context.Context, d time.Duration, run func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return run(ctx)
}

func oneLine(err error) string {
	const most = 600
	text := strings.Join(strings.Fields(err.Error()), " ")
	return text[:min(len(text), most)]
}
