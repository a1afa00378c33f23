package migrations_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

func names(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("*.sql")
	if err != nil || len(list) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	slices.Sort(list)
	return list
}

// A file says why it is there, goes forward only, and comes in its turn.
func TestFiles(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^(\d{4})_[a-z0-9]+(_[a-z0-9]+)*\.sql$`)
	seen := map[string]bool{}
	for _, name := range names(t) {
		match := form.FindStringSubmatch(name)
		if match == nil || seen[match[1]] {
			t.Fatalf("%s is not NNNN_what_it_is_about.sql with a number of its own", name)
		}
		seen[match[1]] = true
		raw, err := os.ReadFile(name)
		check.Must(t, err)
		first, rest, _ := strings.Cut(string(raw), "\n")
		if why, ok := strings.CutPrefix(first, "-- why: "); !ok || strings.TrimSpace(why) == "" {
			t.Errorf("%s begins with %q, want -- why: and the reason", name, first)
		}
		if strings.Count(rest, "-- +goose Up\n") != 1 || strings.Contains(rest, "+goose Down") {
			t.Errorf("%s goes not up, and only up, once", name)
		}
	}
}

var databases atomic.Int64

// empty makes a database without any table on the server of the tests.
func empty(t *testing.T) string {
	t.Helper()
	db, url := pgtest.NewURL(t)
	name := fmt.Sprintf("empty_%d_%d", os.Getpid(), databases.Add(1))
	check.Exec(t, db.Pool(), "CREATE DATABASE "+name)
	t.Cleanup(func() { check.Exec(t, db.Pool(), "DROP DATABASE "+name+" WITH (FORCE)") })
	base, query, _ := strings.Cut(url, "?")
	return base[:strings.LastIndex(base, "/")+1] + name + "?" + query
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	check.Must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

const (
	applied = `SELECT version_id || ' ' || tstamp FROM goose_db_version ORDER BY id`
	schema  = `
SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'function ' || pg_get_functiondef(p.oid) FROM pg_proc p
 WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'
ORDER BY 1`
)

func versions(t *testing.T, db *pgx.Conn) []string {
	t.Helper()
	return check.Column[string](t, db,
		`SELECT version_id::text FROM goose_db_version WHERE is_applied AND version_id > 0 ORDER BY id`)
}

func wantVersions(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, version := range numbers(t) {
		list = append(list, fmt.Sprint(version))
	}
	return list
}

// numbers are the versions of the migrations in their order.
func numbers(t *testing.T) []int64 {
	t.Helper()
	var list []int64
	for _, name := range names(t) {
		version, err := goose.NumericComponent(name)
		check.Must(t, err)
		list = append(list, version)
	}
	return list
}

func TestUpFromNothingAndAgain(t *testing.T) {
	t.Parallel()
	url := empty(t)
	db := connect(t, url)
	check.Must(t, migrations.Up(t.Context(), url))
	if diff := cmp.Diff(wantVersions(t), versions(t, db)); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	check.Exec(t, db, `
INSERT INTO outbox (id, type, subject, customerhash, data) VALUES (gen_random_uuid(), 't', 's', '', '{}')`)
	before, tables := check.Column[string](t, db, applied), check.Column[string](t, db, schema)
	check.Must(t, migrations.Up(t.Context(), url))
	if diff := cmp.Diff(before, check.Column[string](t, db, applied)); diff != "" {
		t.Errorf("the second run applied something (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(tables, check.Column[string](t, db, schema)); diff != "" {
		t.Errorf("the second run changed the schema (-before +after):\n%s", diff)
	}
	if n := check.Count(t, db, "SELECT count(*) FROM outbox"); n != 1 {
		t.Errorf("%d rows, want one", n)
	}
}

// Of processes that start together one migrates and the others find it done.
func TestUpTogether(t *testing.T) {
	t.Parallel()
	url := empty(t)
	db := connect(t, url)
	check.Must(t, errors.Join(check.AtOnce(4, func(int) error { return migrations.Up(t.Context(), url) })...))
	if diff := cmp.Diff(wantVersions(t), versions(t, db)); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	const locks = "SELECT pid::text FROM pg_locks l JOIN pg_database d ON d.oid = l.database" +
		" WHERE l.locktype = 'advisory' AND d.datname = current_database()"
	if held := check.Column[string](t, db, locks); len(held) != 0 {
		t.Errorf("the lock is still held by %v", held)
	}
}

// A bank that runs keeps its rows through every later migration, and comes out
// with the schema of a new one.
func TestUpWithRowsInIt(t *testing.T) {
	t.Parallel()
	fresh := empty(t)
	check.Must(t, migrations.Up(t.Context(), fresh))
	want := check.Column[string](t, connect(t, fresh), schema)
	all := numbers(t)
	for _, version := range all[:len(all)-1] {
		url := empty(t)
		db := connect(t, url)
		upTo(t, url, version)
		check.Exec(t, db, `
WITH c AS (
    INSERT INTO customer (id, data_key, name_ct, phone_ct, idno_ct, phone_bidx, idno_bidx)
    VALUES (gen_random_uuid(), '\x01', '\x02', '\x03', '\x04', '\x05', '\x06') RETURNING id)
INSERT INTO credential (customer_id, login_password, trade_password) SELECT id, 'a', 'b' FROM c`)
		check.Exec(t, db, `
INSERT INTO intent (id, customer_id, device_id, operation, payload_ct, text_ct, digest, combinations, state, created_at, expires_at)
SELECT gen_random_uuid(), id, 'd', 'transfer-confirm', '\x01', '\x02', '\x03', '{sms_otp}', 'open', now(), now() FROM customer`)
		const rows = `
SELECT customer.id || ' ' || name_ct || ' ' || login_password || ' ' || digest
  FROM customer JOIN credential ON customer_id = customer.id JOIN intent ON intent.customer_id = customer.id`
		before := check.Column[string](t, db, rows)
		if err := migrations.Up(t.Context(), url); err != nil {
			t.Fatalf("from %d: %v", version, err)
		}
		if diff := cmp.Diff(before, check.Column[string](t, db, rows)); diff != "" || len(before) != 1 {
			t.Errorf("from %d: rows (-before +after):\n%s", version, diff)
		}
		if diff := cmp.Diff(want, check.Column[string](t, db, schema)); diff != "" {
			t.Errorf("from %d: schema (-new +migrated):\n%s", version, diff)
		}
	}
}

// upTo stops at an earlier release.
func upTo(t *testing.T, url string, version int64) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	check.Must(t, err)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("."))
	check.Must(t, err)
	_, err = provider.UpTo(t.Context(), version)
	check.Must(t, err)
}

func TestUpWithoutADatabaseIsAnError(t *testing.T) {
	t.Parallel()
	if err := migrations.Up(t.Context(), "postgres://nobody@127.0.0.1:1/none?sslmode=disable"); err == nil {
		t.Error("no database, and no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := migrations.Up(ctx, empty(t)); err == nil {
		t.Error("cancelled, and no error")
	}
}

// Every SQL function of a migrated database has the text of its file, and every file
// has its function.
func TestFunctionsAreTheirFiles(t *testing.T) {
	t.Parallel()
	url := empty(t)
	db := connect(t, url)
	check.Must(t, migrations.Up(t.Context(), url))
	var want []string
	list, err := filepath.Glob("functions/*.sql")
	check.Must(t, err)
	for _, name := range list {
		raw, err := os.ReadFile(name)
		check.Must(t, err)
		head, rest, _ := strings.Cut(string(raw), "$$")
		body, tail, _ := strings.Cut(rest, "$$")
		function := strings.TrimSuffix(filepath.Base(name), ".sql")
		if !strings.HasPrefix(head, "-- ") || !strings.Contains(head, "\nCREATE OR REPLACE FUNCTION "+function+"(") || tail != ";\n" {
			t.Errorf("%s is not a comment and one CREATE OR REPLACE FUNCTION %s", name, function)
		}
		want = append(want, function+" "+body)
	}
	got := check.Column[string](t, db, `
SELECT proname || ' ' || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1`)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 10 {
		t.Errorf("functions (-files +database):\n%s", diff)
	}
}

// A body that was changed by hand, or stems from an earlier release, gets its file's
// text at the next run.
func TestFunctionsAreReplaced(t *testing.T) {
	t.Parallel()
	url := empty(t)
	db := connect(t, url)
	check.Must(t, migrations.Up(t.Context(), url))
	want := check.Column[string](t, db, schema)
	check.Exec(t, db, `CREATE OR REPLACE FUNCTION otp_use(p_subject text, p_nonce bytea, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$ BEGIN END $$`)
	check.Must(t, migrations.Up(t.Context(), url))
	if diff := cmp.Diff(want, check.Column[string](t, db, schema)); diff != "" {
		t.Errorf("schema (-first run +after a change):\n%s", diff)
	}
}

// The migrations of an earlier release run when a bank rolls back. They leave the schema
// and the SQL functions of the later release alone: a function whose parameters have
// changed would exist twice, and its roles' privileges would have two meanings. The
// earlier release gets the privileges of its roles.
func TestAnEarlierReleaseLeavesTheFunctions(t *testing.T) {
	t.Parallel()
	url := empty(t)
	db := connect(t, url)
	check.Must(t, migrations.Up(t.Context(), url))
	check.Exec(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	check.Exec(t, db, "UPDATE function_revision SET revision = revision + 1")
	check.Exec(t, db, "DROP FUNCTION otp_use(text, bytea, timestamptz)")
	check.Exec(t, db, `CREATE FUNCTION otp_use(p_subject text, p_nonce bytea, p_now timestamptz, p_more text DEFAULT '') RETURNS void
LANGUAGE plpgsql AS $$ BEGIN END $$`)
	want := check.Column[string](t, db, schema)
	var said []string
	check.Must(t, migrations.Run{URL: url, Report: func(line string) { said = append(said, line) }}.Up(t.Context()))
	if diff := cmp.Diff(want, check.Column[string](t, db, schema)); diff != "" {
		t.Errorf("schema (-of the later release +after the earlier one):\n%s", diff)
	}
	if len(said) != 1 || !strings.Contains(said[0], "of a later release") {
		t.Errorf("it said %q", said)
	}
	// The later bodies run with the rights of their callers, which the earlier release does not know.
	check.Must(t, roles.Add(t.Context(), url))
	check.Exec(t, db, "GRANT UPDATE (alias_ct) ON TABLE account TO "+roles.Name("identity-login"))
	check.Must(t, roles.Apply(t.Context(), url))
	const kept = `SELECT count(*) FROM information_schema.column_privileges
 WHERE grantee = 'tidebank_identity_login' AND table_name = 'account' AND column_name = 'alias_ct' AND privilege_type = 'UPDATE'`
	if n := check.Count(t, db, kept); n != 1 {
		t.Error("a right that a later SQL function may need was taken away")
	}
	check.Exec(t, db, "DELETE FROM function_revision")
	check.Exec(t, db, "DROP FUNCTION otp_use(text, bytea, timestamptz, text)")
	check.Must(t, migrations.Up(t.Context(), url))
	if n := check.Count(t, db, "SELECT count(*) FROM pg_proc WHERE proname = 'otp_use' AND pronargs = 3"); n != 1 {
		t.Error("a later release has not replaced the functions")
	}
	check.Must(t, roles.Apply(t.Context(), url))
	if n := check.Count(t, db, kept); n != 0 {
		t.Error("the release itself keeps a right of another one")
	}
}

// Uses of a limit before 0008 count in the one sum that LIMIT-001 asks for, and open
// intents, which hold the limits of before, are cancelled.
func TestStepupPolicyKeepsTheDaysUse(t *testing.T) {
	t.Parallel()
	url := empty(t)
	db := connect(t, url)
	upTo(t, url, 7)
	check.Exec(t, db, `INSERT INTO limit_use (customer_id, kind, business_day, used) VALUES
('00000000-0000-0000-0000-000000000001', 'transfer.others', '2026-11-23', 100),
('00000000-0000-0000-0000-000000000001', 'transfer.own', '2026-11-23', 20),
('00000000-0000-0000-0000-000000000001', 'transfer.own', '2026-11-24', 3),
('00000000-0000-0000-0000-000000000002', 'transfer.others', '2026-11-23', 5)`)
	check.Exec(t, db, `
INSERT INTO intent (id, customer_id, device_id, operation, payload_ct, text_ct, digest, combinations, state, created_at, expires_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'd', 'transfer-confirm', '', '', '', '{sms_otp}', state, now(), now()
  FROM unnest('{open,consumed,cancelled}'::text[]) AS state`)
	check.Must(t, migrations.Up(t.Context(), url))
	got := check.Column[string](t, db, `
SELECT right(customer_id::text, 1) || ' ' || kind || ' ' || business_day || ' ' || used FROM limit_use ORDER BY 1`)
	want := []string{"1 transfer.sms 2026-11-23 120", "1 transfer.sms 2026-11-24 3", "2 transfer.sms 2026-11-23 5"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limit_use (-want +got):\n%s", diff)
	}
	got = check.Column[string](t, db, "SELECT state FROM intent ORDER BY 1")
	if diff := cmp.Diff([]string{"cancelled", "cancelled", "consumed"}, got); diff != "" {
		t.Errorf("intents (-want +got):\n%s", diff)
	}
}

// Entries of before 0020 are numbered by time and id. Each running balance then is the
// one before plus the amount, and waiting entries of internal accounts are folded.
func TestEntriesOfBeforeAreNumbered(t *testing.T) {
	t.Parallel()
	url := empty(t)
	db := connect(t, url)
	upTo(t, url, 11)
	check.Exec(t, db, `
INSERT INTO account (id, kind, no_ct, no_bidx, no_masked, balance)
SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, kind, '', ('x' || n)::bytea, '', balance
  FROM (VALUES (1, 'debit', 75), (2, 'debit', 0), (9, 'internal', -70)) a (n, kind, balance)`)
	check.Exec(t, db, `
INSERT INTO entry (account_id, posting_id, amount, balance_after, counterparty, summary, posted_at)
SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, ('00000000-0000-0000-0000-0000000000' || posting)::uuid,
       amount, after, '', '转账 房租', '2026-11-23 10:00:00+08'::timestamptz + ms * interval '1 ms'
  FROM (VALUES (1, 11, 100, 100, 0), (1, 12, -30, 65, 5), (1, 13, -5, 95, 6), (1, 14, 10, 75, 6),
               (9, 11, -100, 0, 0), (9, 12, 30, 0, 5)) e (n, posting, amount, after, ms)`)
	check.Exec(t, db, `
INSERT INTO ledger_fold (account_id, posting_id, amount)
VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-000000000012', 30)`)
	check.Exec(t, db, "UPDATE account SET balance = balance - 30 WHERE kind = 'internal'")
	check.Must(t, migrations.Up(t.Context(), url))
	got := check.Column[string](t, db, `
SELECT right(account_id::text, 1) || ': ' || number || ' ' || amount || ' ' || balance_after FROM entry ORDER BY account_id, number`)
	want := []string{"1: 1 100 100", "1: 2 -30 70", "1: 3 -5 65", "1: 4 10 75", "9: 1 -100 -100", "9: 2 30 -70"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	got = check.Column[string](t, db, `
SELECT right(id::text, 1) || ': ' || balance || ' ' || last_entry FROM account ORDER BY id`)
	if diff := cmp.Diff([]string{"1: 75 4", "2: 0 0", "9: -70 2"}, got); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	if n := check.Count(t, db, "SELECT count(*) FROM entry WHERE summary <> '转账' OR memo_ct <> ''"); n != 0 {
		t.Errorf("%d entries hold a memo in clear", n)
	}
	if n := check.Count(t, db, "SELECT count(*) FROM ledger_fold"); n != 0 {
		t.Errorf("%d entries wait", n)
	}
	if _, err := db.Exec(t.Context(), "UPDATE entry SET amount = 1"); err == nil {
		t.Error("entries may be changed after the migration")
	}
}
