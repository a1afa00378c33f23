package pg_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

// No door lets a statement end the transaction it stands in, however it is written,
// and none lends a connection.
func TestNoStatementEndsItsTransaction(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	check.Exec(t, d.Pool(), "CREATE PROCEDURE leave() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'")
	const write = "INSERT INTO note VALUES (1, 'kept')"
	for _, end := range []string{
		"COMMIT", " commit", "-- x\nCommit", ";COMMIT", "/* x */ COMMIT", "END", "ROLLBACK", "ABORT", "begin", "START TRANSACTION",
		"\f\vCOMMIT", "-- x\rCOMMIT", "-- x\r-- y\n\fCOMMIT", "(COMMIT)",
		"DO $$BEGIN COMMIT; INSERT INTO note VALUES (2, 'kept'); COMMIT; END$$", "-- x\n ; (do'BEGIN COMMIT; END'",
		"CALL leave()", "\t/**/call leave()", "-- x\rCall leave()",
	} {
		var batch, counted pgx.Batch
		batch.Queue(end)
		batch.Queue(write)
		counted.Queue(write)
		counted.Queue(end)
		var unit pg.Unit
		unit.Add(pg.Statement{SQL: write})
		unit.Add(pg.Statement{SQL: end})
		for door, err := range map[string]error{
			"Batch":      d.Reader().Batch(t.Context(), &batch),
			"QueryRow":   d.Reader().QueryRow(t.Context(), end).Scan(),
			"QueryBatch": d.QueryBatch(t.Context(), &counted),
			"Commit":     d.Commit(t.Context(), &unit),
			"Exec": d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
				if _, err := tx.Exec(ctx, write); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, end)
				return err
			}),
			"Query": d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
				_, err := tx.Query(ctx, end)
				return err
			}),
			"Tx.QueryRow": d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error { return tx.QueryRow(ctx, end).Scan() }),
		} {
			if !errors.Is(err, pg.ErrControl) {
				t.Errorf("%s of %q: %v", door, end, err)
			}
		}
		if _, err := d.Reader().Query(t.Context(), end); !errors.Is(err, pg.ErrControl) {
			t.Errorf("Query of %q: %v", end, err)
		}
	}
	if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	var batch pgx.Batch
	batch.Queue("SELECT 1").Query(func(rows pgx.Rows) error {
		if rows.Conn() != nil {
			t.Error("a batch's rows lend their connection")
		}
		return nil
	})
	if err := errors.Join(d.Reader().Batch(t.Context(), &batch), d.QueryBatch(t.Context(), &batch)); err != nil {
		t.Error(err)
	}
	err := d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		rows, err := tx.Query(ctx, "SELECT 1")
		if err != nil {
			return err
		}
		defer rows.Close()
		if rows.Conn() != nil {
			t.Error("a transaction's rows lend their connection")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
