package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/pg"
)

// Work that InTx runs can't end the transaction: its Tx has no method for that, not
// even behind another type.
func TestWorkCannotEndItsTransaction(t *testing.T) {
	t.Parallel()
	err := newFixture(t).InTx(t.Context(), func(_ context.Context, tx pg.Tx) error {
		switch tx.(type) {
		case interface{ Commit(context.Context) error }:
			t.Error("work can commit")
		case interface{ Rollback(context.Context) error }:
			t.Error("work can roll back")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// InTx returns although PostgreSQL does not answer the rollback.
func TestRollbackIsBounded(t *testing.T) {
	t.Parallel()
	near, proxy := newFixture(t).near(t)
	failure := errors.New("second thoughts")
	started := time.Now()
	err := near.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO note VALUES (1, 'a')")
		proxy.SilenceAll()
		return errors.Join(err, failure)
	})
	if took := time.Since(started); !errors.Is(err, failure) || took < 4*time.Second || took > 20*time.Second {
		t.Errorf("%v after %v, want work's own error after 5 s", err, took)
	}
}
