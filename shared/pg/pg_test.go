package pg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// fixture is a database with a small table, and a sequence that counts tries even
// when they roll back.
type fixture struct {
	*pg.DB
	url string
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	db, url := pgtest.NewURL(t)
	d := fixture{db, url}
	check.Exec(t, d.Pool(), `
CREATE TABLE note (id int CONSTRAINT note_once PRIMARY KEY, text text CONSTRAINT note_short CHECK (length(text) < 20));
CREATE SEQUENCE tries;
CREATE FUNCTION raise(code text, message text) RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message; END $$;
CREATE FUNCTION try(attempts int, code text) RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN IF nextval('tries') < attempts THEN RAISE EXCEPTION USING ERRCODE = code; END IF; END $$`)
	return d
}

// with opens the same database with further settings.
func (d fixture) with(t *testing.T, settings string) fixture {
	t.Helper()
	return open(t, pg.Config{URL: d.url + "&" + settings, MaxConns: 4})
}

// only opens the same database with a single connection.
func (d fixture) only(t *testing.T) fixture {
	t.Helper()
	return open(t, pg.Config{URL: d.url, MaxConns: 1})
}

func open(t *testing.T, config pg.Config) fixture {
	t.Helper()
	db, err := pg.Open(t.Context(), config)
	check.Must(t, err)
	t.Cleanup(db.Close)
	return fixture{db, config.URL}
}

func (d fixture) notes(t *testing.T) int {
	t.Helper()
	return check.Count(t, d.Pool(), "SELECT count(*) FROM note")
}

func (d fixture) tried(t *testing.T) int {
	t.Helper()
	return check.Count(t, d.Pool(), "SELECT last_value FROM tries")
}

func unit(all ...pg.Statement) *pg.Unit { return add(new(pg.Unit), all...) }

func add(u *pg.Unit, all ...pg.Statement) *pg.Unit {
	for _, s := range all {
		u.Add(s)
	}
	return u
}

func note(id int, text string) pg.Statement {
	return pg.Statement{SQL: "INSERT INTO note VALUES ($1, $2)", Args: []any{id, text}}
}

func raise(code, message string) pg.Statement {
	return pg.Statement{SQL: fmt.Sprintf("SELECT raise('%s', '%s')", code, message)}
}

// try counts an attempt and fails it with a SQLSTATE until it is the last of so
// many.
func try(attempts int, code string) pg.Statement {
	return pg.Statement{SQL: fmt.Sprintf("SELECT try(%d, '%s')", attempts, code)}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	server := func(code string) error { return fmt.Errorf("insert: %w", &pgconn.PgError{Code: code}) }
	refused := bankerr.New(bankerr.Refused, "FUNDS_INSUFFICIENT")
	for _, tt := range []struct {
		name string
		err  error
		want *bankerr.Error // nil: comes back as it is
	}{
		{"lock timeout", server("55P03"), pg.ErrBusy},
		{"connection failure", server("08006"), bankerr.ErrUnavailable},
		{"shutdown", server("57P01"), bankerr.ErrUnavailable},
		{"too many connections", server("53300"), bankerr.ErrUnavailable},
		{"disk full", server("53100"), bankerr.ErrUnavailable},
		{"serialisation", server("40001"), bankerr.ErrUnavailable},
		{"deadlock", server("40P01"), bankerr.ErrUnavailable},
		{"unique violation", server("23505"), nil},
		{"syntax", server("42601"), nil},
		{"cut off", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), bankerr.ErrUnavailable},
		{"closed", io.EOF, bankerr.ErrUnavailable},
		{"network", &net.OpError{Op: "dial", Err: errors.New("no route")}, bankerr.ErrUnavailable},
		{"deadline", fmt.Errorf("query: %w", context.DeadlineExceeded), bankerr.ErrUnavailable},
		{"no rows", pgx.ErrNoRows, nil},
		{"a refusal", refused, nil},
	} {
		got := pg.Classify(tt.err)
		switch {
		case tt.want == nil && !errors.Is(got, tt.err):
			t.Errorf("%s: %v, want it back", tt.name, got)
		case tt.want == nil && !errors.Is(tt.err, refused) && errors.As(got, new(*bankerr.Error)):
			t.Errorf("%s: became the refusal %v", tt.name, got)
		case tt.want != nil && (!errors.Is(got, tt.want) || !errors.Is(got, tt.err)):
			t.Errorf("%s: %v, want %v because of %v", tt.name, got, tt.want, tt.err)
		}
	}
	if err := pg.Classify(nil); err != nil {
		t.Errorf("nothing became %v", err)
	}
}

func TestDatabaseAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	db := pgtest.Broken(t)
	if err := db.Commit(t.Context(), unit(note(1, "a"))); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("Commit: %v", err)
	}
	err := db.InTx(t.Context(), func(context.Context, pg.Tx) error {
		t.Error("the work ran")
		return nil
	})
	if !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("InTx: %v", err)
	}
}

func TestConnectionCutWhileAtWorkIsUnavailable(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	cut := pg.Statement{SQL: "SELECT pg_terminate_backend(pg_backend_pid())"}
	if err := d.Commit(t.Context(), unit(note(1, "a"), cut, note(2, "b"))); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("Commit: %v", err)
	}
	err := d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO note VALUES (1, 'a')"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, cut.SQL)
		return err
	})
	if !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("InTx: %v", err)
	}
	if n := d.notes(t); n != 0 {
		t.Errorf("%d notes were left", n)
	}
}

func TestOpenRefusesWithoutShowingThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://u:tide-secret@[::1/x", "postgres://u:tide-secret@host:port/x"} {
		_, err := pg.Open(t.Context(), pg.Config{URL: url})
		if err == nil || strings.Contains(err.Error(), "tide-secret") {
			t.Errorf("%v", err)
		}
	}
	db, err := pg.Open(t.Context(), pg.Config{URL: "postgres://u:tide-secret@127.0.0.1:1/x?sslmode=disable"})
	check.Must(t, err)
	defer db.Close()
	if err := db.Commit(t.Context(), unit(note(1, "a"))); err == nil || strings.Contains(err.Error(), "tide-secret") {
		t.Errorf("%v", err)
	}
}

// An error contains neither the customer's text nor the statement, so that no log does.
func TestErrorsHoldNoValuesAndNoSQL(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	check.Exec(t, d.Pool(), "CREATE TABLE secret (text text CONSTRAINT secret_once UNIQUE CHECK (length(text) < 20))")
	put := func(text string) pg.Statement {
		return pg.Statement{SQL: "INSERT INTO secret VALUES ($1)", Args: []any{text}}
	}
	for name, u := range map[string]*pg.Unit{
		"unique": unit(put("geheim"), put("geheim")), "check": unit(put(strings.Repeat("geheim", 9))),
	} {
		err := d.Commit(t.Context(), u)
		if err == nil || strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "INSERT") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every connection bounds what it may wait for.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for setting, want := range map[string]string{
		"lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s", "TimeZone": "UTC", "application_name": "tidebank",
	} {
		var got string
		err := d.Pool().QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got)
		if err != nil || got != want {
			t.Errorf("%s is %q, want %q (%v)", setting, got, want, err)
		}
	}
}

func TestInTxCommits(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	err := d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO note VALUES (1, 'a')")
		return err
	})
	if err != nil || d.notes(t) != 1 {
		t.Errorf("%d notes, %v", d.notes(t), err)
	}
}

func TestInTxRollsBack(t *testing.T) {
	t.Parallel()
	failure := errors.New("second thoughts")
	for _, tt := range []struct {
		name string
		end  func(cancel context.CancelFunc) error
		want error
	}{
		{"on an error", func(context.CancelFunc) error { return failure }, failure},
		{"on a refusal", func(context.CancelFunc) error { return pg.ErrBusy }, pg.ErrBusy},
		{"on a panic", func(context.CancelFunc) error { panic(failure) }, failure},
		{"on a cancelled error", func(stop context.CancelFunc) error { stop(); return failure }, failure},
		{"on a cancelled commit", func(stop context.CancelFunc) error { stop(); return nil }, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newFixture(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got := func() (err error) {
				defer func() {
					if r, ok := recover().(error); ok {
						err = r
					}
				}()
				return d.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
					if _, err := tx.Exec(ctx, "INSERT INTO note VALUES (1, 'a')"); err != nil {
						t.Error(err)
					}
					return tt.end(cancel)
				})
			}()
			if !errors.Is(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
			d.awaitIdle(t)
			// No row is left, and no session holds the row's lock.
			if err := d.Commit(t.Context(), unit(note(1, "b"))); err != nil {
				t.Errorf("the same note afterwards: %v", err)
			}
		})
	}
}

// awaitIdle returns once every connection was given back; one whose call was
// cancelled is closed first, in the background.
func (d fixture) awaitIdle(t *testing.T) {
	t.Helper()
	check.Until(t, "every connection is given back", func() bool { return d.Pool().Stat().AcquiredConns() == 0 })
}

func TestInTxSaysWhenTheCommitFails(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	check.Exec(t, d.Pool(), "CREATE TABLE later (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
	err := d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO later VALUES (1), (1)")
		return err
	})
	if err == nil || check.Count(t, d.Pool(), "SELECT count(*) FROM later") != 0 {
		t.Errorf("%d rows, %v", check.Count(t, d.Pool(), "SELECT count(*) FROM later"), err)
	}
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	db := pgtest.Broken(t)
	done := make(chan struct{})
	go func() { db.Close(); db.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Close does not end")
	}
}

// The first call waits for the connection that Open has begun to make: two would
// cost a process that starts for that call twice the work.
func TestTheFirstCallUsesTheFirstConnection(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for n := range 5 {
		first := d.with(t, "")
		check.Must(t, first.Commit(t.Context(), unit(note(n, "a"))))
		if total := first.Pool().Stat().TotalConns(); total != 1 {
			t.Errorf("%d connections, want 1", total)
		}
	}
}
