package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/client"
)

// killPrimary kills the primary's PostgreSQL and Patroni, and destroys its data. It waits
// first until the bank has acknowledged a transfer three minutes ago (AVAIL-004.1).
func killPrimary(ctx context.Context, l *lab, r *result) error {
	err := await(ctx, 4*time.Minute, "a transfer of three minutes ago", func(context.Context) error {
		if len(l.load.acknowledgedBefore(time.Now().Add(-3*time.Minute))) == 0 {
			return errNobody
		}
		return nil
	})
	if err != nil {
		return err
	}
	site, err := l.primary(ctx)
	if err != nil {
		return err
	}
	if err := l.pairedUp(ctx); err != nil {
		return err
	}
	since := time.Now()
	r.figure("acknowledged before the kill", float64(len(l.load.acknowledgedBefore(since))))
	kill(l.at(site, "pg"))
	if err := os.RemoveAll(l.at(site, "pg")); err != nil {
		return fmt.Errorf("destroy: %w", err)
	}
	if err := l.serves(ctx, since, r); err != nil {
		return err
	}
	if now, err := l.primary(ctx); err != nil || now == site {
		return fmt.Errorf("%w: the primary is %q now: %w", errFailed, now, err)
	}
	if err := l.startPatroni(site); err != nil { // it comes back empty, and becomes the standby
		return err
	}
	return errors.Join(l.pairedUp(ctx), l.remoteFollows(ctx))
}

// killCache kills one primary of the cache, and its replica takes over. Then it kills all
// nodes at once; the platform starts them again 5 s later.
func killCache(ctx context.Context, l *lab, r *result) error {
	name, site, err := l.cachePrimary(ctx)
	if err != nil {
		return err
	}
	since := time.Now()
	kill(l.at(site, name))
	if err := l.serves(ctx, since, r); err != nil {
		return fmt.Errorf("after one node: %w", err)
	}
	r.figure("recovery from the loss of a node, s", time.Since(since).Seconds())
	if err := l.startRedis(site, name, true); err != nil {
		return err
	}
	if err := errors.Join(l.cacheWhole(ctx), l.cachesHome(ctx)); err != nil {
		return err
	}
	since = time.Now()
	for _, c := range caches() {
		kill(l.at(c.site, c.name))
	}
	time.Sleep(5 * time.Second)
	if err := l.startCaches(); err != nil {
		return err
	}
	if err := l.serves(ctx, since, r); err != nil {
		return fmt.Errorf("after all nodes: %w", err)
	}
	r.figure("recovery from the loss of all nodes, s", time.Since(since).Seconds())
	return errors.Join(l.cacheWhole(ctx), l.cachesHome(ctx))
}

// cachePrimary returns a node of the cache that is a primary now.
func (l *lab) cachePrimary(ctx context.Context) (name, site string, err error) {
	for _, c := range caches() {
		node := redis.NewClient(&redis.Options{Addr: l.address(c.name)})
		role, err := node.Info(ctx, "replication").Result()
		_ = node.Close()
		if err == nil && strings.Contains(role, "role:master") {
			return c.name, c.site, nil
		}
	}
	return "", "", errors.New("the cache has no primary")
}

// killMessaging kills the relay and broker of a site; those of the other site go on.
func killMessaging(ctx context.Context, l *lab, r *result) error {
	time.Sleep(2 * time.Second)
	since := time.Now()
	kill(l.at(siteA, "messaging"))
	if err := l.serves(ctx, since, r); err != nil {
		return err
	}
	return l.startMessaging(siteA)
}

const (
	fewestAvailable = 0.9997 // the success ratio that AVAIL-003 asks for
	enoughProbes    = 3400   // so many that the ratio tells a single failure from two
	probers         = 3
)

// killInstances kills an instance and starts it again, then the next one, at most one in a
// second, at least 20 of them and until there have been enough probes. A probe reads the customer's accounts; one in twenty
// transfers. It sends a call that got no answer again, as the app does it.
func killInstances(ctx context.Context, l *lab, r *result) error {
	probing, stop := context.WithCancel(ctx)
	defer stop()
	calls, broken := l.edge.calls.Load(), l.edge.broken.Load()
	var count probeCount
	var probe sync.WaitGroup
	for range probers {
		p := l.load.people[workers+l.load.probe]
		l.load.probe++
		if err := p.login(ctx); err != nil {
			return err
		}
		probe.Go(func() {
			for n := 0; probing.Err() == nil; n++ {
				count.add(p.ordinary(ctx, n%20 == 0))
			}
		})
	}
	killed, err := l.killInTurn(ctx, &count)
	stop()
	probe.Wait()
	ratio := float64(count.good) / float64(count.good+count.bad)
	r.figure("instances killed", float64(killed))
	r.figure("probes", float64(count.good+count.bad))
	r.figure("success ratio", ratio)
	r.figure("calls at the edge", float64(l.edge.calls.Load()-calls))
	r.figure("calls at the edge without an answer", float64(l.edge.broken.Load()-broken))
	if err != nil {
		return err
	}
	if ratio < fewestAvailable {
		return fmt.Errorf("%w: %d of %d probes: %w", errFailed, count.bad, count.good+count.bad, count.last)
	}
	return errors.Join(l.bankServes(ctx, siteA), l.bankServes(ctx, siteB))
}

// probeCount counts good and bad probes.
type probeCount struct {
	mu        sync.Mutex
	good, bad int
	last      error
}

func (c *probeCount) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.bad, c.last = c.bad+1, err
		return
	}
	c.good++
}

func (c *probeCount) enough() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.good+c.bad >= enoughProbes
}

func (l *lab) killInTurn(ctx context.Context, count *probeCount) (killed int, err error) {
	type one struct {
		site string
		n    int
	}
	var all []one
	for n := range instancesOfSite {
		all = append(all, one{siteA, n}, one{siteB, n})
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ; killed < 20 || killed < 180 && !count.enough(); killed++ {
		select {
		case <-ctx.Done():
			return killed, ctx.Err()
		case <-tick.C:
		}
		victim := all[killed%len(all)]
		kill(l.at(victim.site, instance(victim.site, victim.n)))
		if err := l.startInstance(victim.site, victim.n); err != nil {
			return killed, err
		}
	}
	return killed, nil
}

// ordinary is one probe. It sends a call without an answer again, at most as often as the
// app repeats a call.
func (p *person) ordinary(ctx context.Context, transfers bool) error {
	const tries = 5
	var err error
	for try := range tries {
		if try > 0 {
			time.Sleep(100 * time.Millisecond << try)
		}
		if transfers {
			err = p.transfer(ctx)
		} else {
			_, err = p.AccountOverview(ctx)
		}
		var refused *client.Problem
		if err == nil || errors.As(err, &refused) && refused.Status < 500 {
			return err
		}
	}
	return err
}

// eachNode proves nothing by itself: the four drills before it have removed a node of
// each component.
func eachNode(_ context.Context, l *lab, _ *result) error {
	for _, name := range []string{"instances", "messaging", "cache", "primary"} {
		if !slices.ContainsFunc(l.passed, func(r result) bool { return r.Name == name && r.OK }) {
			return fmt.Errorf("%w: %s did not pass in this run", errFailed, name)
		}
	}
	return nil
}

// cutSite stops every process of the primary's site, as a cut of the network does: nobody
// answers, and no connection ends. Later the site comes back, with a database that still
// believes that it is the primary.
func cutSite(ctx context.Context, l *lab, r *result) error {
	site, err := l.primary(ctx)
	if err != nil {
		return err
	}
	left := other(site)
	both := map[string]int64{site: l.edge.served(site), left: l.edge.served(left)}
	time.Sleep(3 * time.Second)
	for s, before := range both {
		served := l.edge.served(s) - before
		r.figure("calls that site "+s+" served while both served", float64(served))
		if served == 0 {
			return fmt.Errorf("%w: site %s served nothing", errFailed, s)
		}
	}
	dir := l.siteFolder(site)
	since := time.Now()
	strike(dir, syscall.SIGSTOP)
	err = l.serves(ctx, since, r)
	alone, silent := l.edge.served(left), l.edge.served(site)
	if err == nil {
		err = l.serves(ctx, time.Now(), &result{})
	}
	r.figure("calls that the site left served alone", float64(l.edge.served(left)-alone))
	silent = l.edge.served(site) - silent
	strike(dir, syscall.SIGCONT)
	if err != nil {
		return err
	}
	if silent > 0 {
		return fmt.Errorf("%w: the site that was cut off served %d calls", errFailed, silent)
	}
	return errors.Join(
		l.pairedUp(ctx), l.cacheWhole(ctx), l.cachesHome(ctx), l.remoteFollows(ctx),
		l.bankServes(ctx, siteA), l.bankServes(ctx, siteB))
}

// killSite kills every process of the primary's site at one moment, as a fire does. Later
// the site is started again with the data that it had.
func killSite(ctx context.Context, l *lab, r *result) error {
	site, err := l.primary(ctx)
	if err != nil {
		return err
	}
	if err := l.pairedUp(ctx); err != nil {
		return err
	}
	dir := l.siteFolder(site)
	since := time.Now()
	strike(dir, syscall.SIGSTOP) // so that no process sees the end of another one
	kill(dir)
	if err := l.serves(ctx, since, r); err != nil {
		return err
	}
	if now, err := l.primary(ctx); err != nil || now == site {
		return fmt.Errorf("%w: the primary is %q now: %w", errFailed, now, err)
	}
	errs := []error{l.startEtcd(site), l.startPatroni(site), l.startMessaging(site)}
	for _, c := range caches() {
		if c.site == site {
			errs = append(errs, l.startRedis(c.site, c.name, true))
		}
	}
	for n := range instancesOfSite {
		errs = append(errs, l.startInstance(site, n))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return errors.Join(
		l.pairedUp(ctx), l.cacheWhole(ctx), l.cachesHome(ctx), l.remoteFollows(ctx),
		l.bankServes(ctx, siteA), l.bankServes(ctx, siteB))
}
