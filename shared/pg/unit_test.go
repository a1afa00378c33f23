package pg_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

func TestCommitIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		last pg.Statement
	}{
		{"unique violation", note(1, "c")},
		{"check violation", note(3, strings.Repeat("c", 20))},
		{"raised refusal", raise("TB001", "NO_WAY")},
		{"raised error", raise("P0001", "no way")},
		{"no such table", pg.Statement{SQL: "INSERT INTO nowhere VALUES (1)"}},
		{"not SQL", pg.Statement{SQL: "INSRT"}},
		{"an argument of another type", pg.Statement{SQL: "INSERT INTO note VALUES ($1, '')", Args: []any{"x"}}},
		{"too few arguments", pg.Statement{SQL: "INSERT INTO note VALUES ($1, $2)", Args: []any{3}}},
	} {
		for position := range 3 {
			d := newFixture(t)
			all := []pg.Statement{note(1, "a"), note(2, "b")}
			if position < 2 && tt.name == "unique violation" {
				continue // it collides with the first
			}
			all = append(all[:position:position], append([]pg.Statement{tt.last}, all[position:]...)...)
			if err := d.Commit(t.Context(), unit(all...)); err == nil {
				t.Errorf("%s at %d: committed", tt.name, position)
			}
			if n := d.notes(t); n != 0 {
				t.Errorf("%s at %d: %d notes were left", tt.name, position, n)
			}
		}
	}
}

func TestCommitRefusesByName(t *testing.T) {
	t.Parallel()
	refused := bankerr.New(bankerr.Refused, "NOTE_REFUSED")
	named := func(s pg.Statement, names ...string) pg.Statement {
		s.Refuse = map[string]error{}
		for _, name := range names {
			s.Refuse[name] = refused
		}
		return s
	}
	for _, tt := range []struct {
		name    string
		failing pg.Statement
		refused bool
	}{
		{"unique constraint", named(note(1, "b"), "note_once"), true},
		{"check constraint", named(note(2, strings.Repeat("b", 20)), "x", "note_short"), true},
		{"raised code", named(raise("TB001", "NO_WAY"), "NO_WAY"), true},
		{"other constraint", named(note(1, "b"), "note_short"), false},
		{"other raised code", named(raise("TB001", "NO_WAY"), "WAY"), false},
		{"the code's text under another SQLSTATE", named(raise("P0001", "NO_WAY"), "NO_WAY"), false},
		{"an error without a name", named(pg.Statement{SQL: "SELECT 1/0"}, "NO_WAY"), false},
		{"nothing named", note(1, "b"), false},
	} {
		d := newFixture(t)
		err := d.Commit(t.Context(), unit(note(1, "a"), tt.failing))
		if err == nil || errors.As(err, new(*bankerr.Error)) != tt.refused || errors.Is(err, refused) != tt.refused {
			t.Errorf("%s: %v, refused: %v", tt.name, err, tt.refused)
		}
		if n := d.notes(t); n != 0 {
			t.Errorf("%s: %d notes were left", tt.name, n)
		}
	}
}

// A raised refusal's detail is the time after which a repetition may succeed. No other
// detail is.
func TestARaisedRefusalTellsTheTimeLeft(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state, detail string
		want          time.Duration
	}{
		"seconds":         {"TB001", "1800", 30 * time.Minute},
		"part of seconds": {"TB001", "0.25", 250 * time.Millisecond},
		"no detail":       {"TB001", "", 0},
		"another detail":  {"TB001", "Key (id)=(1)", 0},
	} {
		d := newFixture(t)
		check.Exec(t, d.Pool(), "CREATE FUNCTION refusing() RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING "+
			"ERRCODE = ''"+tt.state+"'', MESSAGE = ''NO_WAY'', DETAIL = ''"+tt.detail+"''; END'")
		refused := bankerr.New(bankerr.Refused, "NO_WAY")
		err := d.Commit(t.Context(), unit(pg.Statement{SQL: "SELECT refusing()", Refuse: map[string]error{"NO_WAY": refused}}))
		if !errors.Is(err, refused) || bankerr.From(err).RetryAfter() != tt.want {
			t.Errorf("%s: %v after %v, want %v", name, err, bankerr.From(err).RetryAfter(), tt.want)
		}
	}
}

// A statement answers for itself only.
func TestFirstFailureDecides(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	first, second := bankerr.New(bankerr.Refused, "FIRST"), bankerr.New(bankerr.Refused, "SECOND")
	a, b := raise("TB001", "NO_WAY"), raise("TB001", "NO_WAY")
	a.Refuse, b.Refuse = map[string]error{"NO_WAY": first}, map[string]error{"NO_WAY": second}
	if err := d.Commit(t.Context(), unit(a, b)); !errors.Is(err, first) {
		t.Errorf("%v, want %v", err, first)
	}
	if err := d.Commit(t.Context(), unit(b, a)); !errors.Is(err, second) {
		t.Errorf("%v, want %v", err, second)
	}
}

func TestCommitReadsRowsInOrder(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	var ids [2]int
	insert := func(id int) pg.Statement {
		s := note(id, "a")
		s.SQL += " RETURNING id"
		s.Scan = func(row pgx.Row) error { return row.Scan(&ids[id]) }
		return s
	}
	if err := d.Commit(t.Context(), unit(insert(0), note(7, "b"), insert(1))); err != nil || ids != [2]int{0, 1} {
		t.Errorf("read %v, %v", ids, err)
	}
	if err := d.Commit(t.Context(), new(pg.Unit)); err != nil {
		t.Errorf("an empty unit: %v", err)
	}
}

// Once the statements are known to the connection, a unit of any size is one
// question and one answer on the wire.
func TestCommitIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	near, proxy := d.near(t)
	least := int64(1 << 30)
	for n := range 5 { // the first prepares; a slow machine may add a ping
		before := proxy.Turns()
		var u pg.Unit
		for i := range 6 {
			u.Add(note(10*n+i, "a"))
		}
		check.Must(t, near.Commit(t.Context(), &u))
		least = min(least, proxy.Turns()-before)
	}
	if least != 1 {
		t.Errorf("a unit took %d round trips, want 1", least)
	}
	if n := d.notes(t); n != 30 {
		t.Errorf("%d notes, want 30", n)
	}
}

func TestLostTransactionsAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"40001", "40P01"} {
		d := newFixture(t)
		if err := d.Commit(t.Context(), unit(note(1, "a"), try(4, code))); err != nil {
			t.Errorf("%s: Commit: %v", code, err)
		}
		if d.notes(t) != 1 || d.tried(t) != 4 {
			t.Errorf("%s: %d notes after %d tries, want 1 after 4", code, d.notes(t), d.tried(t))
		}
		err := d.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO note VALUES (2, 'b')"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, try(6, code).SQL)
			return err
		})
		if err != nil || d.notes(t) != 2 || d.tried(t) != 6 {
			t.Errorf("%s: InTx: %d notes after %d tries, want 2 after 6 (%v)", code, d.notes(t), d.tried(t), err)
		}
	}
}

func TestTriesAreBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code string
		want int
	}{{"40001", 6}, {"40P01", 6}, {"23505", 1}, {"57014", 1}, {"TB001", 1}} {
		d := newFixture(t)
		err := d.Commit(t.Context(), unit(note(1, "a"), try(100, tt.code)))
		if err == nil || d.tried(t) != tt.want || d.notes(t) != 0 {
			t.Errorf("%s: %d tries, want %d; %d notes, %v", tt.code, d.tried(t), tt.want, d.notes(t), err)
		}
		if tt.want > 1 && !errors.Is(err, bankerr.ErrUnavailable) {
			t.Errorf("%s: %v, want SERVICE_UNAVAILABLE", tt.code, err)
		}
	}
}

func TestACancelledCallIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := d.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		tries++
		_, err := tx.Exec(ctx, raise("40001", "again").SQL)
		cancel()
		return err
	})
	if err == nil || tries != 1 {
		t.Errorf("%d tries, %v", tries, err)
	}
}
