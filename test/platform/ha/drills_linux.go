package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tidebank/tidebank/test/platform/record"
)

// drill breaks one thing while customers use the bank. With the drill, everything that
// the bank acknowledged must be there once, and no money is made or lost.
type drill struct {
	name, shows string
	run         func(context.Context, *lab, *result) error
	points      []string // acceptance points that it proves
	last        bool     // the lab can't go on after it
}

// allDrills lists the drills in the order in which they run.
func allDrills() []drill {
	return []drill{
		{
			name: "instances", shows: "instances of the functions are killed in turn, at most one in a second", run: killInstances,
			points: []string{"AVAIL-003.3"},
		},
		{name: "messaging", shows: "a node of the messaging is killed", run: killMessaging},
		{
			name: "cache", shows: "a primary of the cache is killed; then all of the cache is", run: killCache,
			points: []string{"AVAIL-005.2"},
		},
		{name: "backup", shows: "the database is restored to a moment from a backup and the archived log", run: restore},
		{
			name: "primary", shows: "the primary database is killed and its data is destroyed", run: killPrimary,
			points: []string{"AVAIL-004.1", "AVAIL-004.2", "AVAIL-005.1"},
		},
		{
			name: "each", shows: "one node of each component was removed, one at a time, without loss", run: eachNode,
			points: []string{"AVAIL-007.1"},
		},
		{
			name: "site", shows: "a site is cut off: the other serves all, and then the site comes back", run: cutSite,
			points: []string{"AVAIL-007.2"},
		},
		{
			name: "dead", shows: "a site is killed: the other serves all, and then the site is started again", run: killSite,
			points: []string{"AVAIL-005.3"},
		},
		{
			name: "remote", shows: "both sites are cut off: the remote site takes over", run: loseBoth,
			points: []string{"AVAIL-007.3"}, last: true,
		},
	}
}

// result is what a drill has measured.
type result struct {
	Name     string
	OK       bool
	Why      string
	Recovery float64 // seconds
	tally
	Behind  int // transfers that an asynchronous standby did not have yet
	Figures map[string]float64
	Seconds float64
}

// figure keeps one more number.
func (r *result) figure(name string, value float64) {
	if r.Figures == nil {
		r.Figures = map[string]float64{}
	}
	r.Figures[name] = math.Round(value*10000) / 10000
}

// recovery keeps the longest time from a failure until the bank served again.
func (r *result) recovery(d time.Duration) {
	r.Recovery = max(r.Recovery, math.Round(d.Seconds()*10)/10)
}

// all returns every figure of the drill, for the record.
func (r *result) all() map[string]float64 {
	figures := map[string]float64{
		"recovery_s": r.Recovery, "lost": float64(r.Lost), "doubled": float64(r.Doubled), "behind": float64(r.Behind),
		"acknowledged": float64(r.Acknowledged), "seconds": r.Seconds,
	}
	maps.Copy(figures, r.Figures)
	return figures
}

// failure is why the drill failed, or nil.
func (r *result) failure() error {
	if r.OK {
		return nil
	}
	return fmt.Errorf("%w: %s", errFailed, r.Why)
}

// report is what the drills of a run have measured.
type report []result

const longestRecovery = 180 // s: AVAIL-005

// rehearse runs the drills and reports them.
func rehearse(ctx context.Context, l *lab, only []string) error {
	run, err := record.Begin(ctx, ".", "ha", "make test-ha")
	if err != nil {
		return err
	}
	if err := l.setUp(ctx); err != nil {
		return err
	}
	var all report
	for _, d := range allDrills() {
		if len(only) > 0 && !slices.Contains(only, d.name) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		began := time.Now().Truncate(time.Second)
		r := l.rehearseOne(ctx, d)
		all = append(all, r)
		l.passed = append(l.passed, r)
		run.Add(record.Check{Name: d.name, At: began, Points: d.points, Figures: r.all()}, r.failure())
	}
	if err := run.Keep(ctx, ".", record.Fresh); err != nil {
		return err
	}
	return all.conclude()
}

// conclude prints the last line.
func (a report) conclude() error {
	var sum result
	sum.OK = true
	for _, r := range a {
		sum.Lost, sum.Doubled = sum.Lost+r.Lost, sum.Doubled+r.Doubled
		sum.Recovery = max(sum.Recovery, r.Recovery)
		sum.OK = sum.OK && r.OK
	}
	fmt.Printf("HA lost=%d doubled=%d recovery_s=%.1f\n", sum.Lost, sum.Doubled, sum.Recovery)
	if !sum.OK {
		return errFailed
	}
	return nil
}

// rehearseOne runs a drill under load, counts, and prints its line.
func (l *lab) rehearseOne(ctx context.Context, d drill) result {
	say("%s: %s", d.name, d.shows)
	began := time.Now()
	r := result{Name: d.name}
	err := l.underLoad(ctx, d, &r)
	r.Seconds = math.Round(time.Since(began).Seconds())
	switch {
	case err != nil:
		r.Why = err.Error()
	case r.Lost+r.Doubled > 0 || r.Unsound != "":
		r.Why = fmt.Sprintf("%d lost, %d doubled %s", r.Lost, r.Doubled, r.Unsound)
	case r.Recovery >= longestRecovery:
		r.Why = "it took too long"
	default:
		r.OK = true
	}
	verdict := "ok"
	if !r.OK {
		verdict = "FAILED " + r.Why
	}
	fmt.Printf("HA %s lost=%d doubled=%d behind=%d acknowledged=%d recovery_s=%.1f %v %s\n",
		d.name, r.Lost, r.Doubled, r.Behind, r.Acknowledged, r.Recovery, r.Figures, verdict)
	return r
}

// underLoad runs a drill while customers transfer money. Then it lets them finish, waits
// for the events, and counts. A drill that ends the lab counts for itself.
func (l *lab) underLoad(ctx context.Context, d drill, r *result) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	var busy sync.WaitGroup
	for _, p := range l.load.people[:workers] {
		busy.Go(func() { p.day(work) })
	}
	before := len(l.load.acknowledgedBefore(time.Now()))
	err := d.run(ctx, l, r)
	stop()
	busy.Wait()
	l.load.tell()
	if err != nil || d.last {
		return err
	}
	r.figure("transfers", float64(len(l.load.acknowledgedBefore(time.Now()))-before))
	astray, err := l.settled(ctx, l.db)
	if err != nil {
		return err
	}
	if r.tally, err = l.count(ctx, l.db, time.Now()); err != nil {
		return err
	}
	if astray > 0 {
		r.Unsound += fmt.Sprintf("; %d transfers do not have one effect at each consumer", astray)
	}
	return nil
}

// serves probes the bank as a customer until a login and a transfer succeed, and returns
// the time since the failure. Each attempt to log in uses a customer of its own, because
// the bank sends a customer one code a minute.
func (l *lab) serves(ctx context.Context, since time.Time, r *result) error {
	for last := errNobody; ; {
		if l.load.probe == probes {
			return fmt.Errorf("no customer is left to try: %w", last)
		}
		p := l.load.people[workers+l.load.probe]
		own, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := p.login(own)
		if err == nil {
			err = p.transfer(own)
		}
		cancel()
		if err == nil {
			l.load.probe++
			r.recovery(time.Since(since))
			return nil
		}
		if p.coded {
			say("  the bank does not serve %.1f s after the failure: %v", time.Since(since).Seconds(), err)
		}
		if last = err; ctx.Err() != nil || time.Since(since) > 5*time.Minute {
			return last
		}
		if p.coded {
			l.load.probe++
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}
