package pg_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

// demote lets the pool's connections take no changes, as those of a former primary. New
// connections do.
func demote(t *testing.T, d fixture, connections int) {
	t.Helper()
	held := make([]pgx.Tx, connections)
	for i := range held {
		var err error
		held[i], err = d.Pool().Begin(t.Context())
		check.Must(t, err)
		_, err = held[i].Exec(t.Context(), "SET default_transaction_read_only = on")
		check.Must(t, err)
	}
	for _, tx := range held {
		check.Must(t, tx.Commit(t.Context()))
	}
}

func insert(id int) string { return fmt.Sprintf("INSERT INTO note VALUES (%d, 'a')", id) }

// The ways that can repeat their work succeed at once, although all connections of the
// pool lead to a former primary.
func TestWritesFindTheNewPrimary(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ways := map[string]func(near fixture, sql string) error{
		"Commit": func(near fixture, sql string) error { return near.Commit(t.Context(), unit(pg.Statement{SQL: sql})) },
		"InTx": func(near fixture, sql string) error {
			return near.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
				_, err := tx.Exec(ctx, sql)
				return err
			})
		},
		"QueryBatch": func(near fixture, sql string) error {
			var batch pgx.Batch
			batch.Queue(sql)
			return near.QueryBatch(t.Context(), &batch)
		},
	}
	id := 0
	for name, way := range ways {
		near := open(t, pg.Config{URL: d.url, MaxConns: 3})
		demote(t, near, 3)
		for range 4 {
			id++
			if err := way(near, insert(id)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if n := d.notes(t); n != id {
		t.Errorf("%d rows, want %d", n, id)
	}
}

// The pool itself repeats nothing: its first caller is told that the service is
// unavailable, and the next one finds the new primary.
func TestThePoolDropsAFormerPrimary(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	near := open(t, pg.Config{URL: d.url, MaxConns: 3})
	demote(t, near, 3)
	_, err := near.Pool().Exec(t.Context(), insert(1))
	if !errors.Is(pg.Classify(err), bankerr.ErrUnavailable) {
		t.Errorf("the first: %v, want SERVICE_UNAVAILABLE", err)
	}
	_, err = near.Pool().Exec(t.Context(), insert(1))
	check.Must(t, err)
}

// A database that takes no changes at all still serves reads. Changes are refused as
// unavailable, and do not make the pool connect anew each time.
func TestADatabaseThatTakesNoChanges(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	near := open(t, pg.Config{URL: d.url + "&default_transaction_read_only=on", MaxConns: 2})
	began := time.Now()
	const tries = 50
	for range tries {
		if err := near.Commit(t.Context(), unit(pg.Statement{SQL: insert(1)})); !errors.Is(err, bankerr.ErrUnavailable) {
			t.Fatalf("a change: %v", err)
		}
		check.Must(t, near.Reader().QueryRow(t.Context(), "SELECT 1").Scan(new(int)))
	}
	most := 2 + 3*int64(1+time.Since(began)/time.Second) // the first ones, and those after each reset
	if n := near.Pool().Stat().NewConnsCount(); n > most {
		t.Errorf("%d connections in %v, want at most %d", n, time.Since(began), most)
	}
}

// A Reader that wants to write is a fault of the code, and no sign of a failover: the
// connections stay.
func TestAReaderThatWritesDropsNothing(t *testing.T) {
	t.Parallel()
	near := newFixture(t).only(t)
	check.Must(t, near.Reader().QueryRow(t.Context(), "SELECT 1").Scan(new(int)))
	for range 3 {
		err := near.Reader().QueryRow(t.Context(), "INSERT INTO note VALUES (1, 'a') RETURNING 1").Scan(new(int))
		if server := new(pgconn.PgError); !errors.As(err, &server) || errors.Is(err, bankerr.ErrUnavailable) {
			t.Errorf("a Reader that writes: %v", err)
		}
	}
	if n := near.Pool().Stat().NewConnsCount(); n != 1 {
		t.Errorf("%d connections were opened, want 1", n)
	}
}
