package relay_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/relay"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
)

// desk is a database with an outbox, whose name and address matter to tests
// that break connections.
type desk struct {
	*pg.DB
	url  string
	ring *keys.Ring
	log  *bank.Log
}

func newDesk(t *testing.T) desk {
	t.Helper()
	ring, err := keys.NewTestRing()
	if err != nil {
		t.Fatal(err)
	}
	db, url := pgtest.NewURL(t)
	return desk{db, url, ring, &bank.Log{}}
}

type event = cloudevents.Event

// sink keeps what it was given; before decides whether it takes a batch.
type sink struct {
	mu      sync.Mutex
	batches [][]event
	before  func(batch []event) error
	after   func() // the batch is safe, and the relay does not know yet
}

func (s *sink) Publish(_ context.Context, batch []event) error {
	if s.before != nil {
		if err := s.before(batch); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.batches = append(s.batches, batch)
	s.mu.Unlock()
	if s.after != nil {
		s.after()
	}
	return nil
}

// ids are those of the events taken, batch by batch, each sorted.
func (s *sink) ids() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all [][]string
	for _, batch := range s.batches {
		var ids []string
		for _, e := range batch {
			ids = append(ids, e.ID())
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

func (d desk) relay(s relay.Sink) *relay.Relay {
	return &relay.Relay{DB: d.DB, Ring: d.ring, Sink: s, Log: slog.New(slog.NewTextHandler(d.log, nil)), Lease: time.Hour}
}

func once(t *testing.T, r *relay.Relay, want int) {
	t.Helper()
	n, err := r.Once(t.Context())
	if err != nil || n != want {
		t.Errorf("published %d, %v; want %d", n, err, want)
	}
}

// fill writes rows, without waking anybody, in an order that is not that of
// their ids, and returns the ids in order.
func (d desk) fill(t *testing.T, count int) []string {
	t.Helper()
	var ids []string
	for n := range count {
		ids = append(ids, fmt.Sprintf("019ab0f2-4c00-7d2e-9a61-%012d", n+1))
	}
	for _, n := range rand.Perm(count) {
		d.exec(t, `INSERT INTO outbox (id, type, subject, customerhash, data) VALUES ($1, $2, '', '', '{}')`,
			ids[n], events.TypeTransferPosted)
	}
	return ids
}

// one writes a row more, without waking anybody.
func (d desk) one(t *testing.T) {
	t.Helper()
	d.exec(t, `INSERT INTO outbox (id, type, subject, customerhash, data) VALUES ($1, $2, '', '', '{}')`,
		uuid.New(), events.TypeTransferPosted)
}

// emit commits one event as operations do, which wakes relays.
func (d desk) emit(t *testing.T) string {
	t.Helper()
	var unit pg.Unit
	subject := uuid.NewString()
	if err := events.Emit(t.Context(), &unit, subject, uuid.Nil, events.TransferPosted{}); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(t.Context(), &unit); err != nil {
		t.Fatal(err)
	}
	var id string
	if err := d.Pool().QueryRow(t.Context(), `SELECT id::text FROM outbox WHERE subject = $1`, subject).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

const (
	countWaiting   = `SELECT count(*) FROM outbox WHERE published_at IS NULL`
	countLeased    = `SELECT count(*) FROM outbox WHERE published_at IS NULL AND leased_until > now()`
	countListeners = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN outbox'`
)

// until polls a count until it is what is wanted.
func (d desk) until(t *testing.T, want int, sql string, args ...any) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got := d.int(t, sql, args...)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d, want %d: %s %v", got, want, sql, args)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (d desk) int(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	if err := d.Pool().QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (d desk) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := d.Pool().Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
