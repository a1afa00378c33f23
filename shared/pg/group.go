package pg

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/clock"
)

// Under load, a round trip and a commit cost more than the rows of one caller. So two
// workers send the work of all callers. Callers who come while both workers are busy
// wait, and the next free worker sends their work as one group. A caller that finds a
// free worker never waits.
const (
	minWorkers = 2
	groupMax   = 32
	// A caller that has waited for addWorkerAfter gets one more worker, because a lock
	// may block the busy workers.
	addWorkerAfter = 50 * time.Millisecond
	// groupTimeout ends a group's work if a caller has no deadline. Otherwise the work
	// ends groupGrace after the last deadline of its callers, who must wait for it.
	groupTimeout = 10 * time.Second
	groupGrace   = time.Second
)

// groupCommit sends the work of many callers as one transaction.
type groupCommit[T any] struct {
	send       func(context.Context, []T) error
	compatible func(a, b T) bool // whether one transaction can hold both

	size  prometheus.Histogram
	split prometheus.Counter

	mu      sync.Mutex
	workers int // number of busy workers
	waiting []*waiter[T]
}

// waiter is a caller who waits until a worker sends the work and PostgreSQL answers.
type waiter[T any] struct {
	work     T
	done     chan error // has room for the one result
	deadline time.Time  // the caller's, or one that is groupTimeout away
}

func newGroupCommit[T any](
	kind string, send func(context.Context, []T) error, compatible func(a, b T) bool,
) *groupCommit[T] {
	return &groupCommit[T]{send: send, compatible: compatible, size: groupSizes(kind), split: groupSplits(kind)}
}

// do returns when a worker has done the work, alone or in a group. A caller whose ctx
// ends leaves the queue. If a worker has already taken the work, do waits for its
// result.
func (g *groupCommit[T]) do(ctx context.Context, work T) error {
	g.mu.Lock()
	if g.workers < minWorkers {
		g.workers++
		g.mu.Unlock()
		defer g.next()
		return g.runOne(ctx, work)
	}
	w := &waiter[T]{work: work, done: make(chan error, 1), deadline: clock.System{}.Now().Add(groupTimeout)}
	if deadline, given := ctx.Deadline(); given && deadline.Before(w.deadline) {
		w.deadline = deadline
	}
	g.waiting = append(g.waiting, w)
	g.mu.Unlock()

	patience := time.NewTicker(addWorkerAfter)
	defer patience.Stop()
	ended := ctx.Done()
	for {
		select {
		case err := <-w.done:
			return err
		case <-patience.C:
			if ctx.Err() == nil { // if ctx has ended, the caller leaves instead
				g.addWorker(w)
			}
		case <-ended:
			if g.leave(w) {
				return Classify(fmt.Errorf("wait for a connection: %w", ctx.Err()))
			}
			ended = nil
		}
	}
}

// runOne sends one caller's work. It sends the work again if PostgreSQL rolled it
// back because of another transaction.
func (g *groupCommit[T]) runOne(ctx context.Context, work T) error {
	g.size.Observe(1)
	return retry(ctx, func() error { return g.send(ctx, []T{work}) })
}

// next gives a worker that has become free to the waiters.
func (g *groupCommit[T]) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if group := g.take(); len(group) > 0 {
		go g.runGroup(group)
	} else {
		g.workers--
	}
}

// addWorker starts one more worker if w still waits.
func (g *groupCommit[T]) addWorker(w *waiter[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Contains(g.waiting, w) {
		g.workers++
		go g.runGroup(g.take())
	}
}

// leave removes w from the queue, and reports whether it was still there.
func (g *groupCommit[T]) leave(w *waiter[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, w)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return i >= 0
}

// take removes from the queue its first waiter and all that are compatible with it.
func (g *groupCommit[T]) take() []*waiter[T] {
	var group, rest []*waiter[T]
	for _, w := range g.waiting {
		if len(group) == 0 || len(group) < groupMax && g.compatible(group[0].work, w.work) {
			group = append(group, w)
		} else {
			rest = append(rest, w)
		}
	}
	g.waiting = rest
	return group
}

// runGroup sends a group's work as one transaction. When PostgreSQL rolls it back,
// runGroup splits the group: each caller's work is sent alone, and fails alone.
func (g *groupCommit[T]) runGroup(group []*waiter[T]) {
	defer g.next()
	last := slices.MaxFunc(group, func(a, b *waiter[T]) int { return a.deadline.Compare(b.deadline) }).deadline
	ctx, cancel := context.WithDeadline(context.Background(), last.Add(groupGrace))
	defer cancel()
	if len(group) > 1 {
		work := make([]T, len(group))
		for i, w := range group {
			work[i] = w.work
		}
		g.size.Observe(float64(len(group)))
		if err := g.send(ctx, work); !rolledBack(err) {
			for _, w := range group {
				w.done <- Classify(err)
			}
			return
		}
		g.split.Inc()
	}
	var each sync.WaitGroup
	for _, w := range group {
		each.Go(func() { w.done <- g.runOne(ctx, w.work) })
	}
	each.Wait()
}
