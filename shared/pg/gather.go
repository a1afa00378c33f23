package pg

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Under load a round trip and a commit cost more than what they carry. So a few
// workers of the pool take what comes; what comes while all of them are busy waits,
// and goes together as soon as one is free. Alone, nobody waits for company.
const (
	gatherWorkers = 2
	groupMax      = 32
	// After gatherPatience somebody who still waits gets a worker more: those there
	// are may be held up by a lock.
	gatherPatience = 50 * time.Millisecond
	// gatherTimeout bounds work that no caller's own deadline does.
	gatherTimeout = 10 * time.Second
)

// gatherer does the work of many callers together.
type gatherer[T any] struct {
	do   func(context.Context, []T) error
	goes func(a, b T) bool // whether they can go together

	size   prometheus.Histogram
	undone prometheus.Counter

	mu      sync.Mutex
	busy    int // workers
	waiting []*entrant[T]
}

// entrant is a caller that waits.
type entrant[T any] struct {
	work T
	done chan error // holds the one result
}

func newGatherer[T any](work string, do func(context.Context, []T) error, goes func(a, b T) bool) *gatherer[T] {
	return &gatherer[T]{do: do, goes: goes, size: groupSizes(work), undone: groupsUndone(work)}
}

// enter returns when the work is done, alone or with others'. A caller whose ctx
// ends leaves the queue; what has been taken from it is waited for.
func (g *gatherer[T]) enter(ctx context.Context, work T) error {
	g.mu.Lock()
	if g.busy < gatherWorkers {
		g.busy++
		g.mu.Unlock()
		defer g.next()
		return g.alone(ctx, work)
	}
	e := &entrant[T]{work: work, done: make(chan error, 1)}
	g.waiting = append(g.waiting, e)
	g.mu.Unlock()

	patience := time.NewTicker(gatherPatience)
	defer patience.Stop()
	gone := ctx.Done()
	for {
		select {
		case err := <-e.done:
			return err
		case <-patience.C:
			if ctx.Err() == nil { // else it leaves
				g.hurry(e)
			}
		case <-gone:
			if g.leave(e) {
				return Classify(fmt.Errorf("wait for a connection: %w", ctx.Err()))
			}
			gone = nil
		}
	}
}

// alone is tried again when PostgreSQL gave it up for others.
func (g *gatherer[T]) alone(ctx context.Context, work T) error {
	g.size.Observe(1)
	return retry(ctx, func() error { return g.do(ctx, []T{work}) })
}

// next gives the worker that has become free to those who wait.
func (g *gatherer[T]) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if group := g.take(); len(group) > 0 {
		go g.together(group)
	} else {
		g.busy--
	}
}

// hurry adds a worker if the entrant still waits.
func (g *gatherer[T]) hurry(e *entrant[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Contains(g.waiting, e) {
		g.busy++
		go g.together(g.take())
	}
}

// leave takes an entrant out of the queue, if it is still there.
func (g *gatherer[T]) leave(e *entrant[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, e)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return i >= 0
}

// take removes from the queue its head and those who can go with it.
func (g *gatherer[T]) take() []*entrant[T] {
	var group, rest []*entrant[T]
	for _, e := range g.waiting {
		if len(group) == 0 || len(group) < groupMax && g.goes(group[0].work, e.work) {
			group = append(group, e)
		} else {
			rest = append(rest, e)
		}
	}
	g.waiting = rest
	return group
}

// together does a group's work at once or, when PostgreSQL refuses that, each
// entrant's alone: everybody gets a refusal of their own and fails nobody else.
func (g *gatherer[T]) together(group []*entrant[T]) {
	defer g.next()
	ctx, cancel := context.WithTimeout(context.Background(), gatherTimeout)
	defer cancel()
	if len(group) > 1 {
		work := make([]T, len(group))
		for i, e := range group {
			work[i] = e.work
		}
		g.size.Observe(float64(len(group)))
		if err := g.do(ctx, work); !leftNothing(err) {
			for _, e := range group {
				e.done <- Classify(err)
			}
			return
		}
		g.undone.Inc()
	}
	var each sync.WaitGroup
	for _, e := range group {
		each.Go(func() { e.done <- g.alone(ctx, e.work) })
	}
	each.Wait()
}
