package pg_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// readers asks one statement, which returns text, in each of a Reader's ways.
var readers = map[string]func(ctx context.Context, r pg.Reader, sql string, args ...any) ([]string, error){
	"QueryRow": func(ctx context.Context, r pg.Reader, sql string, args ...any) ([]string, error) {
		var text string
		err := r.QueryRow(ctx, sql, args...).Scan(&text)
		return []string{text}, err
	},
	"Query": func(ctx context.Context, r pg.Reader, sql string, args ...any) ([]string, error) {
		rows, err := r.Query(ctx, sql, args...)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[string])
	},
	"Query, its error ignored": func(ctx context.Context, r pg.Reader, sql string, args ...any) ([]string, error) {
		rows, _ := r.Query(ctx, sql, args...)
		return pgx.CollectRows(rows, pgx.RowTo[string])
	},
	"Batch": func(ctx context.Context, r pg.Reader, sql string, args ...any) ([]string, error) {
		var text string
		var batch pgx.Batch
		batch.Queue("SELECT 1").QueryRow(func(row pgx.Row) error { return row.Scan(new(int)) })
		batch.Queue(sql, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&text) })
		err := r.Batch(ctx, &batch)
		return []string{text}, err
	},
}

// Once a statement is known to the connection, a question is one round trip.
func TestReaderTakesOneRoundTrip(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	check.Exec(t, d.Pool(), "INSERT INTO note VALUES (1, 'a')")
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, proxy := d.near(t)
			least := int64(1 << 30)
			for range 5 { // the first prepares; a slow machine may add a ping
				before := proxy.Turns()
				got, err := read(t.Context(), near.Reader(), "SELECT text FROM note WHERE id = $1", 1)
				if err != nil || !slices.Equal(got, []string{"a"}) {
					t.Fatalf("read %q, %v", got, err)
				}
				least = min(least, proxy.Turns()-before)
			}
			if least != 1 {
				t.Errorf("%d round trips, want 1", least)
			}
		})
	}
}

// PostgreSQL refuses each statement that writes, and the connection can write again
// afterwards.
func TestReaderCanChangeNothing(t *testing.T) {
	t.Parallel()
	for name, read := range readers {
		d := newFixture(t).only(t)
		check.Exec(t, d.Pool(), "INSERT INTO note VALUES (1, 'a')")
		for i, sql := range []string{
			"UPDATE note SET text = 'b' RETURNING text",
			"INSERT INTO note VALUES (2, 'b') RETURNING text",
			"DELETE FROM note RETURNING text",
			"WITH gone AS (DELETE FROM note RETURNING text) SELECT text FROM gone",
			"SELECT text FROM note FOR UPDATE",
			"SELECT nextval('tries')::text",
			"SELECT set_config('transaction_read_only', 'off', true)",
		} {
			got, err := read(t.Context(), d.Reader(), sql)
			if server := new(pgconn.PgError); !errors.As(err, &server) || server.Code != "25006" && server.Code != "25001" {
				t.Errorf("%s: %s: %q, %v, want a refusal because the transaction is read-only", name, sql, got, err)
			}
			if n := check.Count(t, d.Pool(), "SELECT count(*) FROM note WHERE text = 'a'"); n != i+1 || d.notes(t) != i+1 {
				t.Fatalf("%s: %s: the table was changed", name, sql)
			}
			if err := d.Commit(t.Context(), unit(note(100+i, "a"))); err != nil {
				t.Errorf("%s: the connection can't write afterwards: %v", name, err)
			}
		}
	}
}

// A query returns its connection, also when it fails.
func TestReaderGivesItsConnectionBack(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	only := d.only(t)
	check.Exec(t, d.Pool(), "INSERT INTO note SELECT n, 'a' FROM generate_series(1, 100) n")
	own := errors.New("own")
	for name, ask := range map[string]func(r pg.Reader) error{
		"no row":          func(r pg.Reader) error { return r.QueryRow(t.Context(), "SELECT 1 WHERE false").Scan(new(int)) },
		"not SQL":         func(r pg.Reader) error { return r.QueryRow(t.Context(), "SELCT").Scan(new(int)) },
		"another type":    func(r pg.Reader) error { return r.QueryRow(t.Context(), "SELECT 'a'").Scan(new(int)) },
		"one row of many": func(r pg.Reader) error { return r.QueryRow(t.Context(), "SELECT id FROM note").Scan(new(int)) },
		"a panic": func(r pg.Reader) (err error) {
			defer func() { err, _ = recover().(error) }()
			return r.QueryRow(t.Context(), "SELECT 1").Scan(panics{own})
		},
		"left early": func(r pg.Reader) error {
			rows, err := r.Query(t.Context(), "SELECT id FROM note")
			if err != nil || !rows.Next() {
				t.Errorf("no row, %v", err)
			}
			rows.Close()
			rows.Close()
			return rows.Err()
		},
		"read to the end": func(r pg.Reader) error {
			rows, err := r.Query(t.Context(), "SELECT id FROM note")
			for err == nil && rows.Next() {
			}
			return errors.Join(err, rows.Err())
		},
		"rows that fail": func(r pg.Reader) error {
			rows, err := r.Query(t.Context(), "SELECT 1 / (50 - id) FROM note ORDER BY id")
			if err != nil {
				return err
			}
			_, err = pgx.CollectRows(rows, pgx.RowTo[int])
			return err
		},
		"a function that fails": func(r pg.Reader) error {
			var batch pgx.Batch
			batch.Queue("SELECT id FROM note").Query(func(pgx.Rows) error { return own })
			return r.Batch(t.Context(), &batch)
		},
	} {
		err := ask(only.Reader())
		switch name {
		case "no row":
			if err != pgx.ErrNoRows { //nolint:errorlint // it must come back unchanged
				t.Errorf("%s: %v", name, err)
			}
		case "one row of many", "left early", "read to the end":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		default:
			if err == nil || strings.HasPrefix(name, "a ") && !errors.Is(err, own) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := only.Pool().Stat().AcquiredConns(); n != 0 {
			t.Fatalf("%s: %d connections were not given back", name, n)
		}
	}
}

type panics struct{ with error }

func (p panics) Scan(any) error { panic(p.with) }

// A Reader's errors are classified and name their statement, and show no SQL.
func TestReaderClassifiesErrors(t *testing.T) {
	t.Parallel()
	d, broken := newFixture(t), pgtest.Broken(t)
	check.Exec(t, d.Pool(), "INSERT INTO note VALUES (1, 'geheim')")
	for name, read := range readers {
		if _, err := read(t.Context(), broken.Reader(), "SELECT 'a'"); !errors.Is(err, bankerr.ErrUnavailable) {
			t.Errorf("%s: without a database: %v, want SERVICE_UNAVAILABLE", name, err)
		}
		_, err := read(t.Context(), d.Reader(), "SELECT pg_terminate_backend(pg_backend_pid())::text")
		if !errors.Is(err, bankerr.ErrUnavailable) {
			t.Errorf("%s: connection cut: %v, want SERVICE_UNAVAILABLE", name, err)
		}
		const busy = "SELECT raise('55P03', '')::text"
		if _, err := read(t.Context(), d.Reader(), busy); !errors.Is(err, pg.ErrBusy) {
			t.Errorf("%s: lock held: %v, want REQUEST_IN_PROGRESS", name, err)
		}
		_, err = read(t.Context(), d.Reader(), "-- note.wrong\nSELECT (text::int)::text FROM note")
		named := name == "Batch" || err != nil && strings.HasPrefix(err.Error(), "note.wrong: ")
		if !named || errors.As(err, new(*bankerr.Error)) || strings.Contains(err.Error(), "SELECT") {
			t.Errorf("%s: %v, want an error that is no refusal and names the statement", name, err)
		}
	}
}
