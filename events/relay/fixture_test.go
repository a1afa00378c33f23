package relay_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/relay"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

// fixture is a database with an outbox. Tests that break connections need its address.
type fixture struct {
	*pg.DB
	url  string
	ring *keys.Ring
	log  *bank.Log
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	db, url := pgtest.NewURL(t)
	return fixture{db, url, keytest.New(t), &bank.Log{}}
}

type event = cloudevent.Event

// sink keeps the events that it takes; before decides whether it takes a batch, and
// each whether it takes an event.
type sink struct {
	mu      sync.Mutex
	batches [][]event
	before  func(batch []event) error
	each    func(ctx context.Context, e event) error
	after   func() // runs before the relay knows that the batch was taken
}

func (s *sink) Publish(ctx context.Context, batch []event) []error {
	results := make([]error, len(batch))
	if s.before != nil {
		if err := s.before(batch); err != nil {
			for i := range results {
				results[i] = err
			}
			return results
		}
	}
	var taken []event
	for i, e := range batch {
		if s.each != nil {
			results[i] = s.each(ctx, e)
		}
		if results[i] == nil {
			taken = append(taken, e)
		}
	}
	s.mu.Lock()
	s.batches = append(s.batches, taken)
	s.mu.Unlock()
	if s.after != nil {
		s.after()
	}
	return results
}

// ids are those of the events taken, batch by batch, each sorted.
func (s *sink) ids() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all [][]string
	for _, batch := range s.batches {
		var ids []string
		for _, e := range batch {
			ids = append(ids, e.ID)
		}
		all = append(all, ids)
	}
	return all
}

// times counts how often each event was taken.
func (s *sink) times() map[string]int {
	n := map[string]int{}
	for _, batch := range s.ids() {
		for _, id := range batch {
			n[id]++
		}
	}
	return n
}

func (d fixture) relay(s relay.Sink) *relay.Relay {
	return &relay.Relay{
		DB: d.DB, Ring: d.ring, Sink: s, Log: slog.New(slog.NewTextHandler(d.log, nil)), Lease: time.Hour, Backoff: time.Nanosecond,
	}
}

func once(t *testing.T, r *relay.Relay, want int) {
	t.Helper()
	n, err := r.Once(t.Context(), events.LaneEvents)
	if err != nil || n != want {
		t.Errorf("published %d, %v; want %d", n, err, want)
	}
}

// fill writes rows of a moment without waking a relay, in random order, and returns
// their ids in order.
func (d fixture) fill(t *testing.T, count int) []string {
	t.Helper()
	var ids []string
	for n := range count {
		ids = append(ids, fmt.Sprintf("019ab0f2-4c00-7d2e-9a61-%012d", n+1))
	}
	at := time.Now().Add(-time.Second)
	for _, n := range rand.Perm(count) {
		check.Exec(t, d.Pool(), `
INSERT INTO outbox (id, type, subject, customerhash, data, next_at) VALUES ($1, $2, '', '', '{}', $3)`,
			ids[n], events.TypeTransferPosted, at)
	}
	return ids
}

// one writes another row without waking a relay.
func (d fixture) one(t *testing.T) {
	t.Helper()
	check.Exec(t, d.Pool(), `INSERT INTO outbox (id, type, subject, customerhash, data) VALUES ($1, $2, '', '', '{}')`,
		uuid.New(), events.TypeTransferPosted)
}

// emit commits one event as operations do, which wakes relays.
func (d fixture) emit(t *testing.T) string {
	t.Helper()
	subject := uuid.NewString()
	pgtest.Commit(t, d.DB, func(u *pg.Unit) error {
		return events.Emit(t.Context(), u, subject, uuid.Nil, events.TransferPosted{})
	})
	return check.Value[string](t, d.Pool(), `SELECT id::text FROM outbox WHERE subject = $1`, subject)
}

const (
	countWaiting   = `SELECT count(*) FROM outbox WHERE published_at IS NULL`
	countLeased    = `SELECT count(*) FROM outbox WHERE published_at IS NULL AND next_at > now()`
	countListeners = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN outbox'`
)
