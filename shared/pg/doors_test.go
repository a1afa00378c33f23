package pg_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

// doors sends one statement by each way of this package that takes an operation's SQL,
// and gives the row to scan if scan is not nil.
var doors = map[string]func(ctx context.Context, d fixture, sql string, args []any, scan func(pgx.Row) error) error{
	"Reader.QueryRow": func(ctx context.Context, d fixture, sql string, args []any, scan func(pgx.Row) error) error {
		return scan(d.Reader().QueryRow(ctx, sql, args...))
	},
	"Reader.Query": func(ctx context.Context, d fixture, sql string, args []any, scan func(pgx.Row) error) error {
		rows, err := d.Reader().Query(ctx, sql, args...)
		return first(rows, err, scan)
	},
	"Reader.Batch": func(ctx context.Context, d fixture, sql string, args []any, scan func(pgx.Row) error) error {
		var batch pgx.Batch
		batch.Queue(sql, args...).QueryRow(scan)
		return d.Reader().Batch(ctx, &batch)
	},
	"QueryBatch": func(ctx context.Context, d fixture, sql string, args []any, scan func(pgx.Row) error) error {
		var batch pgx.Batch
		batch.Queue(sql, args...).QueryRow(scan)
		return d.QueryBatch(ctx, &batch)
	},
	"QueryBatch, rows": func(ctx context.Context, d fixture, sql string, args []any, scan func(pgx.Row) error) error {
		var batch pgx.Batch
		batch.Queue(sql, args...).Query(func(rows pgx.Rows) error { return first(rows, nil, scan) })
		return d.QueryBatch(ctx, &batch)
	},
	"Commit": func(ctx context.Context, d fixture, sql string, args []any, scan func(pgx.Row) error) error {
		return d.Commit(ctx, unit(pg.Statement{SQL: sql, Args: args, Scan: scan}))
	},
	"Tx.Exec": func(ctx context.Context, d fixture, sql string, args []any, _ func(pgx.Row) error) error {
		return undone(ctx, d, func(ctx context.Context, tx pg.Tx) error {
			_, err := tx.Exec(ctx, sql, args...)
			return err
		})
	},
	"Tx.Query": func(ctx context.Context, d fixture, sql string, args []any, scan func(pgx.Row) error) error {
		return undone(ctx, d, func(ctx context.Context, tx pg.Tx) error {
			rows, err := tx.Query(ctx, sql, args...)
			return first(rows, err, scan)
		})
	},
	"Tx.QueryRow": func(ctx context.Context, d fixture, sql string, args []any, scan func(pgx.Row) error) error {
		return undone(ctx, d, func(ctx context.Context, tx pg.Tx) error { return scan(tx.QueryRow(ctx, sql, args...)) })
	},
	"Tx.Write": func(ctx context.Context, d fixture, sql string, args []any, scan func(pgx.Row) error) error {
		return undone(ctx, d, func(ctx context.Context, tx pg.Tx) error {
			return tx.Write(ctx, pg.Statement{SQL: sql, Args: args, Scan: scan})
		})
	},
	"Tx.Write, no row": func(ctx context.Context, d fixture, sql string, args []any, _ func(pgx.Row) error) error {
		return undone(ctx, d, func(ctx context.Context, tx pg.Tx) error {
			return tx.Write(ctx, pg.Statement{SQL: sql, Args: args})
		})
	},
}

// first scans the first row.
func first(rows pgx.Rows, err error, scan func(pgx.Row) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		err = scan(rows)
	}
	rows.Close()
	return errors.Join(err, rows.Err())
}

var errUndo = errors.New("undo")

// undone runs work in a transaction that rolls back, and returns the error of work.
func undone(ctx context.Context, d fixture, work func(context.Context, pg.Tx) error) error {
	err := d.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		if err := work(ctx, tx); err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		return nil
	}
	return err
}

func ignore(row pgx.Row) error { return row.Scan(nil) }

// PostgreSQL refuses text with several statements, by every door.
func TestOneTextIsOneStatement(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for name, door := range doors {
		for _, sql := range []string{
			"INSERT INTO note VALUES (1, 'kept'); COMMIT; BEGIN",
			"SELECT 1; COMMIT; INSERT INTO note VALUES (1, 'kept')",
		} {
			err := door(t.Context(), d, sql, nil, ignore)
			if server := new(pgconn.PgError); !errors.As(err, &server) || server.Code != "42601" {
				t.Errorf("%s: %q: %v, want a syntax error", name, sql, err)
			}
		}
	}
	if n := d.notes(t); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	if _, err := pg.Open(t.Context(), pg.Config{URL: d.url + "&default_query_exec_mode=simple_protocol"}); err == nil {
		t.Error("a DATABASE_URL can choose the simple protocol")
	}
}

// rewriter is an argument with which pgx replaces the SQL.
type rewriter struct{ ran *bool }

func (r rewriter) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	*r.ran = true
	return "COMMIT", nil, nil
}

// Every door refuses the arguments that are options of pgx.
func TestArgumentsAreValues(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	var ran bool
	for name, door := range doors {
		for _, option := range []any{
			pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec,
			pgx.QueryResultFormats{0},
			pgx.QueryResultFormatsByOID{},
			rewriter{&ran},
			&rewriter{&ran},
			pgx.NamedArgs{},
		} {
			if err := door(t.Context(), d, "SELECT 1", []any{option}, ignore); !errors.Is(err, pg.ErrControl) {
				t.Errorf("%s with %T: %v", name, option, err)
			}
		}
	}
	calls := unit(pg.Statement{Call: "raise"}, pg.Statement{Call: "raise", Args: []any{rewriter{&ran}}})
	if err := d.Commit(t.Context(), calls); !errors.Is(err, pg.ErrControl) {
		t.Errorf("a call: %v", err)
	}
	if ran {
		t.Error("a rewriter got a connection")
	}
}

// scanner scans a whole row, and asks for its connection.
type scanner struct {
	scanned, lent bool
	row           map[string]any
}

func (s *scanner) ScanRow(rows pgx.Rows) (err error) {
	s.scanned, s.lent = true, s.lent || rows.Conn() != nil
	if s.row != nil {
		return nil
	}
	s.row, err = pgx.RowToMap(rows)
	return errors.Join(err, rows.Scan(s)) // also the rows of the rows
}

// No door lends its connection to a destination that scans a whole row.
func TestScannerGetsNoConnection(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for name, door := range doors {
		if name == "Tx.Exec" || name == "Tx.Write, no row" {
			continue // they have no destination
		}
		var s scanner
		err := door(t.Context(), d, "SELECT 1 AS one", nil, func(row pgx.Row) error { return row.Scan(&s) })
		if err != nil || !s.scanned || fmt.Sprint(s.row) != "map[one:1]" {
			t.Errorf("%s: scanned %v, %v", name, s.row, err)
		}
		if s.lent {
			t.Errorf("%s lends its connection", name)
		}
	}
}

// Once a statement is known to the connection, Exec is one round trip.
func TestExecTakesOneRoundTrip(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	near, proxy := d.near(t)
	for _, args := range [][]any{nil, {1}} {
		sql := "INSERT INTO note VALUES (1, 'a')"
		if args != nil {
			sql = "DELETE FROM note WHERE id = $1"
		}
		least := int64(1 << 30)
		for range 5 { // the first prepares; a slow machine may add a ping
			check.Must(t, undone(t.Context(), near, func(ctx context.Context, tx pg.Tx) error {
				before := proxy.Turns()
				tag, err := tx.Exec(ctx, sql, args...)
				least = min(least, proxy.Turns()-before)
				if args == nil && tag.RowsAffected() != 1 {
					t.Errorf("%d rows, want 1", tag.RowsAffected())
				}
				return err
			}))
		}
		if least != 1 {
			t.Errorf("%q: %d round trips, want 1", sql, least)
		}
	}
}
