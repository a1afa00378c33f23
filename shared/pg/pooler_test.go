package pg_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/proxytest"
)

// A process learns at its start that a pooler stands before PostgreSQL, and why that is
// wrong: from a refused parameter, or from a session that is not its own.
func TestAPoolerIsRefused(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	proxy, hidden := proxytest.To(t, d.url)
	proxy.Alter(func(answer []byte) { // a pooler invents the process id that it tells its client
		if at := bytes.Index(answer, []byte{'K', 0, 0, 0, 12}); at >= 0 && at+9 <= len(answer) {
			answer[at+8] ^= 1
		}
	})
	for name, url := range map[string]string{
		"a refused parameter": "postgres://u:tide-secret@" + proxytest.Pooler(t) + "/x?sslmode=disable", "another session": hidden,
	} {
		db := open(t, pg.Config{URL: url, MaxConns: 1})
		err := db.Refused()
		if !errors.Is(err, pg.ErrPooler) || strings.Contains(err.Error(), "tide-secret") {
			t.Errorf("%s: %v, want %v", name, err, pg.ErrPooler)
		}
		if err := db.Commit(t.Context(), unit(note(1, "a"))); err == nil || errors.Is(err, bankerr.ErrUnavailable) && d.notes(t) != 0 {
			t.Errorf("%s: a call got %v", name, err)
		}
	}
	if err := open(t, pg.Config{URL: d.url}).Refused(); err != nil {
		t.Errorf("PostgreSQL itself: %v", err)
	}
	down := open(t, pg.Config{URL: "postgres://nobody@127.0.0.1:1/none?sslmode=disable"})
	if err := down.Refused(); err != nil {
		t.Errorf("a database that is down: %v", err)
	}
}

// The modes in which pgx can send a statement work, or are refused.
func TestModesWorkOrAreRefused(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec"} {
		with := d.with(t, "default_query_exec_mode="+mode)
		for name, door := range doors {
			if err := door(t.Context(), with, "SELECT $1::int", []any{7}, ignore); err != nil {
				t.Errorf("%s: %s: %v", mode, name, err)
			}
		}
		grouped := pg.Statement{SQL: "SELECT $1::int", Rows: "SELECT unnest($1::int8[])", Args: []any{1}}
		for _, err := range check.AtOnce(8, func(int) error { return with.Commit(context.WithoutCancel(t.Context()), unit(grouped)) }) {
			if err != nil {
				t.Errorf("%s: a group: %v", mode, err)
			}
		}
	}
	for _, mode := range []string{"exec", "simple_protocol"} {
		if _, err := pg.Open(t.Context(), pg.Config{URL: d.url + "&default_query_exec_mode=" + mode}); !errors.Is(err, pg.ErrMode) {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

func TestAnAddressNamesItsHost(t *testing.T) {
	t.Parallel()
	for url, named := range map[string]bool{
		"postgres://u:p@db.bank.example/bank": true, "postgres:///bank?host=/run/postgresql": true,
		"host=db.bank.example dbname=bank": true, "postgres://u:p@one:5432,two:5433/bank": true,
		"postgres://": false, "postgresql://": false, "postgres://u:p@:5432/bank": false, "postgres:///bank": false,
		"dbname=bank": false,
	} {
		db, err := pg.Open(t.Context(), pg.Config{URL: url})
		if err == nil {
			db.Close()
		}
		if errors.Is(err, pg.ErrHost) == named {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// Only connections that verify the server's name count as encrypted.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	const at = "postgres://u:p@db.bank.example/bank?sslmode="
	for url, yes := range map[string]bool{
		at + "verify-full": true, "postgres:///bank?host=/run/postgresql": true,
		at + "verify-ca": false, at + "require": false, at + "prefer": false, at + "allow": false, at + "disable": false,
		"postgres://u:p@db.bank.example/bank": false,
	} {
		if err := (pg.Config{URL: url}).Encrypted(); (err == nil) != yes {
			t.Errorf("%s: %v", url, err)
		}
	}
}
