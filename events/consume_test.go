package events_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

const consumer = "audit-on-event"

func seen(t *testing.T, db *pg.DB, consumer, source, id string) bool {
	t.Helper()
	had, err := events.Seen(t.Context(), db, source, id, "another", consumer)
	check.Must(t, err)
	if len(had) > 1 || len(had) == 1 && had[0] != consumer {
		t.Errorf("seen by %v", had)
	}
	return len(had) == 1
}

// take claims in a transaction of its own, which outcome then ends.
func take(t *testing.T, db *pg.DB, consumer, source, id string, outcome error) (first bool) {
	t.Helper()
	err := db.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) (err error) {
		first, err = events.Claim(ctx, tx, consumer, source, id)
		return errors.Join(err, outcome)
	})
	if !errors.Is(err, outcome) {
		t.Error(err)
	}
	return first
}

func TestManyDeliveriesAtOnceClaimOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, id := range []string{"1", "2", "3"} {
		var wait sync.WaitGroup
		var firsts atomic.Int64
		for range 12 {
			wait.Go(func() {
				if take(t, db, consumer, events.Source, id, nil) {
					firsts.Add(1)
				}
			})
		}
		wait.Wait()
		if firsts.Load() != 1 || !seen(t, db, consumer, events.Source, id) {
			t.Errorf("%d were the first to have event %s", firsts.Load(), id)
		}
	}
}

func TestAClaimIsOfOneConsumerAndOneEvent(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	take(t, db, consumer, events.Source, "1", nil)
	for _, tt := range []struct {
		consumer, source, id string
		had                  bool
	}{
		{consumer, events.Source, "1", true},
		{"fraud-on-transfer", events.Source, "1", false},
		{consumer, "//elsewhere", "1", false},
		{consumer, events.Source, "2", false},
	} {
		if seen(t, db, tt.consumer, tt.source, tt.id) != tt.had {
			t.Errorf("Seen(%s, %s, %s) is not %v", tt.consumer, tt.source, tt.id, tt.had)
		}
		if take(t, db, tt.consumer, tt.source, tt.id, nil) == tt.had {
			t.Errorf("Claim(%s, %s, %s): first is %v", tt.consumer, tt.source, tt.id, tt.had)
		}
	}
}

// An effect that fails undoes its claim. A concurrent claim that waited for it then
// succeeds.
func TestAClaimIsOfItsTransaction(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	failure := errors.New("no effect")
	second := make(chan bool, 1)
	err := db.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		if first, err := events.Claim(ctx, tx, consumer, events.Source, "1"); err != nil || !first {
			t.Errorf("first is %v, %v", first, err)
		}
		if seen(t, db, consumer, events.Source, "1") {
			t.Error("seen before its effect")
		}
		go func() { second <- take(t, db, consumer, events.Source, "1", nil) }()
		pgtest.AwaitLocks(t, db, 1)
		return failure
	})
	if !errors.Is(err, failure) {
		t.Error(err)
	}
	if !<-second {
		t.Error("no claim had the event")
	}
}

// Without a database, the error says that a later try may succeed.
func TestSeenWithoutADatabase(t *testing.T) {
	t.Parallel()
	_, err := events.Seen(t.Context(), pgtest.Broken(t), events.Source, "1", consumer)
	if !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("%v, want %v", err, bankerr.ErrUnavailable)
	}
}
