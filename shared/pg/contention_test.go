package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// A unit and another session take two locks in opposite orders. PostgreSQL ends
// the unit, which looks first; its second try waits and succeeds.
func TestARealDeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	hasty := d.with(t, "deadlock_timeout=400ms")
	other := begin(t, d)
	check.Exec(t, other, "SELECT pg_advisory_xact_lock(2)")
	done := make(chan error, 1)
	go func() {
		done <- hasty.Commit(context.WithoutCancel(t.Context()), unit(
			pg.Statement{SQL: "SELECT nextval('tries')"}, pg.Statement{SQL: "SELECT pg_advisory_xact_lock(1)"},
			pg.Statement{SQL: "SELECT pg_advisory_xact_lock(2)"}, note(1, "a")))
	}()
	pgtest.AwaitLocks(t, d.DB, 1)
	check.Exec(t, other, "SET LOCAL deadlock_timeout = '1min'")
	check.Exec(t, other, "SELECT pg_advisory_xact_lock(1)") // closes the circle, and is granted when the unit is ended
	check.Must(t, other.Commit(t.Context()))
	check.Must(t, <-done)
	if d.notes(t) != 1 || d.tried(t) != 2 {
		t.Errorf("%d notes after %d tries, want 1 after 2", d.notes(t), d.tried(t))
	}
}

// A transaction that read a row which another changed since is run again and
// sees the change.
func TestARealSerialisationFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	check.Exec(t, d.Pool(), "INSERT INTO note VALUES (1, 'a')")
	var seen []string
	err := d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		if _, err := tx.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
			return err
		}
		var text string
		if err := tx.QueryRow(ctx, "SELECT text FROM note WHERE id = 1").Scan(&text); err != nil {
			return err
		}
		if seen = append(seen, text); len(seen) == 1 {
			check.Exec(t, d.Pool(), "UPDATE note SET text = 'b' WHERE id = 1")
		}
		_, err := tx.Exec(ctx, "UPDATE note SET text = $1 WHERE id = 1", text+"!")
		return err
	})
	if err != nil || len(seen) != 2 || seen[1] != "b" {
		t.Fatalf("saw %v, %v", seen, err)
	}
	if check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE text = 'b!'") != 1 {
		t.Error("the second try's result is not there")
	}
}

func TestALockHeldTooLongIsBusy(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	check.Exec(t, d.Pool(), "INSERT INTO note VALUES (1, 'a')")
	holder := begin(t, d)
	check.Exec(t, holder, "UPDATE note SET text = 'b' WHERE id = 1")
	brief := pg.Statement{SQL: "SELECT set_config('lock_timeout', '20ms', true), nextval('tries')"}
	change := pg.Statement{SQL: "UPDATE note SET text = 'c' WHERE id = 1"}
	err := d.Commit(t.Context(), unit(brief, note(2, "b"), change))
	if !errors.Is(err, pg.ErrBusy) || bankerr.From(err).RetryAfter() == 0 {
		t.Errorf("Commit: %v, want REQUEST_IN_PROGRESS with a time to wait", err)
	}
	err = d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		if _, err := tx.Exec(ctx, brief.SQL); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, change.SQL)
		return err
	})
	if !errors.Is(err, pg.ErrBusy) {
		t.Errorf("InTx: %v", err)
	}
	if d.tried(t) != 2 || d.notes(t) != 1 {
		t.Errorf("%d tries for two calls; %d notes", d.tried(t), d.notes(t))
	}
}

// A deadline ends the wait for a lock sooner. What PostgreSQL made of the unit is
// then unknown to the caller, but it is the whole unit or nothing of it.
func TestADeadlineEndsTheWait(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	check.Exec(t, d.Pool(), "INSERT INTO note VALUES (1, 'a')")
	holder := begin(t, d)
	check.Exec(t, holder, "UPDATE note SET text = 'b' WHERE id = 1")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := d.Commit(ctx, unit(note(2, "b"), pg.Statement{SQL: "UPDATE note SET text = 'c' WHERE id = 1"}))
	if !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("%v, want SERVICE_UNAVAILABLE", err)
	}
	check.Must(t, holder.Commit(t.Context()))
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE id = 2 OR text = 'c'"); n != 0 && n != 2 {
		t.Errorf("%d of the unit's two changes are there", n)
	}
}

func begin(t *testing.T, d fixture) pgx.Tx {
	t.Helper()
	tx, err := d.Pool().Begin(t.Context())
	check.Must(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}
