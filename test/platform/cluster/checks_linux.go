package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidebank/tidebank/test/platform/record"
)

// check is one thing that the cluster must show, and the acceptance points of the
// standard that it then proves.
type check struct {
	name, shows string
	run         func(context.Context, *lab) error
	points      []string
}

// lab is what a check works with.
type lab struct {
	paths
	db    *pgxpool.Pool
	fresh bool // this run has deployed the bank to an empty cluster
}

// allChecks lists the checks in the order in which they run.
func allChecks() []check {
	return []check{
		{"deploy", "one command deploys the bank to an empty cluster, and all of it becomes ready", deployed, []string{"CLOUD-002.1"}},
		{"demo", "a customer goes through the 14 steps of the demo, by the gateway", demo, nil},
		{
			"registry", "the platform lists every service with version and health; a removed one is gone", registered,
			[]string{"CLOUD-001.5"},
		},
		{"forged", "an invented event is refused: 404 from outside, 401 and 403 at the broker, 400 at a function", forged, nil},
		{"failing", "a consumer fails: the others get the event, it becomes one dead letter, its replay succeeds", failing, nil},
		{"rates", "calls are counted by the client's real address, with the activator and without it", rates, nil},
		{"database", "PostgreSQL is away for 60 s: sealed refusals at once, and the bank recovers by itself", databaseDown, nil},
		{"zero", "all functions go to zero, and wake by a request and by an event", zero, nil},
		{
			"scale", "rising load adds instances, falling load removes them, and no call fails", scale,
			[]string{"CLOUD-001.1", "CLOUD-001.2"},
		},
		{"added", "functions that a deployment adds are found by callers that run already", added, []string{"CLOUD-001.3"}},
		{"alone", "a new version of one service changes no other", alone, []string{"CLOUD-001.4"}},
		{
			"upgrade", "upgrade, rollback and the loss of each pod, under load: no failed call, no wrong money", upgrade,
			[]string{"AVAIL-001.1", "CLOUD-002.2", "CLOUD-002.3"},
		},
		{"hung", "an instance that hangs is replaced", hung, []string{"CLOUD-002.5"}},
	}
}

func known(name string) bool {
	return slices.ContainsFunc(allChecks(), func(c check) bool { return c.name == name })
}

const checkWithin = 20 * time.Minute

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
	run, err := l.begin(ctx)
	if err != nil {
		return err
	}
	failed, err := l.runChecks(ctx, &run, only)
	if err != nil {
		return err
	}
	if err := run.Keep(ctx, l.repository(), filepath.Join(l.repository(), record.Fresh)); err != nil {
		return err
	}
	if failed {
		return errChecksFailed
	}
	return nil
}

// runChecks runs checks and adds their results to the record. All other checks need a
// deployed bank, so they do not run if its deployment fails.
func (l *lab) runChecks(ctx context.Context, run *record.Run, only []string) (failed bool, err error) {
	deploying := time.Now()
	if err := l.ready(ctx); err != nil {
		fmt.Printf("KNATIVE deploy FAILED %s\n", oneLine(err))
		first := allChecks()[0]
		run.Add(record.Check{Name: first.name, Points: first.points}, err)
		return true, ctx.Err()
	}
	for _, c := range allChecks() {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		if ctx.Err() != nil {
			return failed, ctx.Err()
		}
		begun := begins(c, deploying, time.Now())
		err := within(ctx, checkWithin, func(ctx context.Context) error { return c.run(ctx, l) })
		say("%s took %.0f s", c.name, time.Since(begun).Seconds())
		if err != nil {
			failed = true
			fmt.Printf("KNATIVE %s FAILED %s\n", c.name, oneLine(err))
		} else {
			fmt.Printf("KNATIVE %s ok\n", c.name)
		}
		if c.name != "deploy" || l.fresh {
			took := map[string]float64{"seconds": time.Since(begun).Round(time.Second).Seconds()}
			run.Add(record.Check{Name: c.name, At: begun.Truncate(time.Second), Points: c.points, Figures: took}, err)
		}
	}
	return failed, nil
}

// begins is when a check began. That of the deployment looks at what the deployment has
// made: its time is the deployment's.
func begins(c check, deploying, now time.Time) time.Time {
	if c.name == "deploy" {
		return deploying
	}
	return now
}

// begin starts the record of a run. Its source is what the cluster runs, unless it has
// changed since the build.
func (l *lab) begin(ctx context.Context) (record.Run, error) {
	built, err := os.ReadFile(l.built())
	if err != nil {
		return record.Run{}, err
	}
	run, err := record.Begin(ctx, l.repository(), "knative", "make test-knative")
	if run.Source != string(built) {
		run.Source = record.Unknown
	}
	return run, err
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
