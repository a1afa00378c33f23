package upkeep_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/workers/upkeep"
)

// rows writes, for each pruned table, a row of an age ($1, an interval): first the
// rows that go when they are old, then those that stay at any age.
var rows = map[string]struct{ goes, stays []string }{
	"idempotency": {goes: []string{
		`INSERT INTO idempotency (caller, operation, key, body_hash, reply, created_at)
VALUES ('c', 'o', gen_random_uuid()::text, '', '', now() - $1::interval)`,
	}},
	"intent": {
		goes: []string{intentOf("now() - $1::interval", "open"), intentOf("now() - $1::interval", "consumed")},
		stays: []string{
			intentOf("now()", "open"),
		},
	},
	"limit_use": {goes: []string{
		`INSERT INTO limit_use (customer_id, kind, business_day, used)
VALUES (gen_random_uuid(), 'k', ((now() - $1::interval) AT TIME ZONE 'Asia/Shanghai')::date, 1)`,
	}},
	"phone_change": {goes: []string{
		`INSERT INTO phone_change (id, customer_id, former_ct, changed_at)
VALUES (gen_random_uuid(), gen_random_uuid(), '', now() - $1::interval)`,
	}},
	"device_report": {goes: []string{
		`INSERT INTO device_report (id, customer_id, device_id, channel, nonce, findings, grave, reported_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 'd', '', gen_random_uuid()::text::bytea, '{}', true, now() - $1::interval)`,
	}},
	"login_attempt": {
		goes:  []string{attemptOf("NULL", "false"), attemptOf("now() - interval '40 days'", "false")},
		stays: []string{attemptOf("NULL", "true"), attemptOf("now() + interval '1 hour'", "false")},
	},
	"card_attempt": {goes: []string{
		`INSERT INTO card_attempt (subject, failed, last_at)
VALUES (gen_random_uuid()::text::bytea, '{}', now() - $1::interval)`,
	}},
	"login_origin": {
		goes:  []string{originOf("NULL"), originOf("now() - interval '40 days'")},
		stays: []string{originOf("now() + interval '1 hour'")},
	},
	"otp_challenge": {goes: []string{
		`INSERT INTO otp_challenge (subject, purpose, phone_bidx, nonce, binding, issued_at, expires_at, device_id, max_tries)
VALUES (gen_random_uuid()::text, 'login', '', '', '', now(), now() - $1::interval, 'd', 5)`,
	}},
	"otp_quota": {goes: []string{
		`INSERT INTO otp_quota (quota, sent, last_at)
VALUES (gen_random_uuid()::text::bytea, '{}', now() - $1::interval)`,
	}},
	"login_challenge": {goes: []string{
		`INSERT INTO login_challenge (challenge, channel, expires_at)
VALUES (gen_random_uuid()::text::bytea, '', now() - $1::interval)`,
	}},
	"face_attempt": {goes: []string{
		`INSERT INTO face_attempt (subject, failed, last_at)
VALUES (gen_random_uuid()::text::bytea, '{}', now() - $1::interval)`,
	}},
	"face_check": {goes: []string{
		`INSERT INTO face_check (id, customer_id, device_id, channel, intent_id, binding, nonce, actions, created_at, expires_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 'd', '', gen_random_uuid(), '', '', '{}', now() - $1::interval, now())`,
	}},
	"sms_quota": {goes: []string{
		`INSERT INTO sms_quota (quota, sent, last_at)
VALUES (gen_random_uuid()::text::bytea, '{}', now() - $1::interval)`,
	}},
	"sms_use": {goes: []string{
		`INSERT INTO sms_use (span, starts_at, codes, notices) VALUES ('day', now() - $1::interval, 1, 1)`,
	}},
	"delivery": {
		goes:  []string{deliveryOf("done")},
		stays: []string{deliveryOf("dead"), deliveryOf("due")},
	},
	"outbox": {
		goes: []string{
			`INSERT INTO outbox (id, type, subject, customerhash, data, published_at)
VALUES (gen_random_uuid(), 't', 's', '', '{}', now() - $1::interval)`,
		},
		stays: []string{
			`INSERT INTO outbox (id, type, subject, customerhash, data, created_at)
VALUES (gen_random_uuid(), 't', 's', '', '{}', now() - $1::interval)`,
			`WITH o AS (INSERT INTO outbox (id, type, subject, customerhash, data, published_at)
  VALUES (gen_random_uuid(), 't', 's', '', '{}', now() - $1::interval) RETURNING id)
INSERT INTO delivery (consumer, event_id, event, state, due_at) SELECT 'c', id, '', 'dead', now() FROM o`,
			`WITH o AS (INSERT INTO outbox (id, type, subject, customerhash, data, published_at)
  VALUES (gen_random_uuid(), 't', 's', '', '{}', now() - $1::interval) RETURNING id)
INSERT INTO dead_letter (consumer, event_id, type, status, failed_at) SELECT 'c', id, 't', 0, now() FROM o`,
		},
	},
	"dead_letter": {
		goes: []string{
			`INSERT INTO dead_letter (consumer, event_id, type, status, failed_at, replayed_at)
VALUES ('c', gen_random_uuid(), 't', 503, now(), now() - $1::interval)`,
		},
		stays: []string{
			`INSERT INTO dead_letter (consumer, event_id, type, status, failed_at)
VALUES ('c', gen_random_uuid(), 't', 503, now() - $1::interval)`,
		},
	},
	"event_consumed": {goes: []string{
		`INSERT INTO event_consumed (consumer, source, id, consumed_at)
VALUES ('c', 's', gen_random_uuid()::text, now() - $1::interval)`,
	}},
}

func intentOf(expires, state string) string {
	return `INSERT INTO intent (id, customer_id, device_id, operation, payload_ct, text_ct, digest, combinations, state,
                    created_at, expires_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 'd', 'o', '', '', '', '{}', '` + state + `', now() - $1::interval, ` + expires + `)`
}

func attemptOf(locked, frozen string) string {
	return `INSERT INTO login_attempt (phone_bidx, day, failures, locked_until, frozen)
VALUES (gen_random_uuid()::text::bytea, ((now() - $1::interval) AT TIME ZONE 'Asia/Shanghai')::date, 1, ` + locked + `, ` + frozen + `)`
}

func originOf(locked string) string {
	return `INSERT INTO login_origin (phone_bidx, origin, failures, locked_until, failed_at)
VALUES (gen_random_uuid()::text::bytea, 'd', 1, ` + locked + `, now() - $1::interval)`
}

func deliveryOf(state string) string {
	return `INSERT INTO delivery (consumer, event_id, event, state, due_at)
VALUES ('c', gen_random_uuid(), '', '` + state + `', now() - $1::interval)`
}

// Each table loses the rows that are older than its window, and no others.
func TestWhatIsPruned(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, r := range upkeep.Retentions() {
		t.Run(r.Table, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			table, ok := rows[r.Table]
			if !ok {
				t.Fatal("the table has no rows in this test")
			}
			write := func(sql string, age time.Duration) {
				t.Helper()
				check.Exec(t, db.Pool(), sql, age)
			}
			for _, sql := range table.goes {
				write(sql, r.Keep+day+time.Hour) // a date is as old as its last instant
				write(sql, r.Keep-time.Hour)
			}
			for _, sql := range table.stays {
				write(sql, 10*r.Keep)
			}
			for _, wrong := range []time.Duration{-day - 2*time.Hour, -10 * r.Keep} { // a clock that is behind
				if n, err := db.Prune(t.Context(), r, time.Now().Add(wrong)); n != 0 || err != nil {
					t.Errorf("%d rows were pruned by a clock that is %v behind: %v", n, -wrong, err)
				}
			}
			n, err := db.Prune(t.Context(), r, time.Now().Add(10*r.Keep)) // a clock that is ahead deletes nothing more
			if err != nil || n != int64(len(table.goes)) {
				t.Errorf("%d rows were pruned, want %d: %v", n, len(table.goes), err)
			}
			left := check.Count(t, db.Pool(), "SELECT count(*) FROM "+r.Table)
			if want := len(table.goes) + len(table.stays); left != want {
				t.Errorf("%d rows are left, want %d", left, want)
			}
			if _, err := pgtest.Broken(t).Prune(t.Context(), r, time.Now()); err == nil {
				t.Error("pruned without a database")
			}
		})
	}
}

// A table without a window says why its rows stay.
func TestEveryTableIsPrunedOrKept(t *testing.T) {
	t.Parallel()
	tables := check.Column[string](t, pgtest.New(t).Pool(), `
SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'goose%' ORDER BY 1`)
	known := slices.Collect(maps.Keys(upkeep.Kept()))
	for _, r := range upkeep.Retentions() {
		known = append(known, r.Table)
		if r.Keep <= 0 || r.Why == "" {
			t.Errorf("%s: window %v, because %q", r.Table, r.Keep, r.Why)
		}
	}
	slices.Sort(known)
	if diff := cmp.Diff(tables, known); diff != "" {
		t.Errorf("tables (-database +upkeep):\n%s", diff)
	}
}

// The worker prunes and folds by itself.
func TestTheWorkerWorks(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	b.Customer(t, "王小明", 100_00) // whose opening balance comes from an internal account
	b.Exec(t, rows["event_consumed"].goes[0], 90*24*time.Hour)
	work, err := upkeep.Worker.Start(t.Context(), b.Host, host.Values(upkeep.Config{FoldEvery: time.Second, PruneEvery: time.Second}))
	check.Must(t, err)
	bank.Background(t, work)
	check.UntilCount(t, 0, b.Host.DB.Pool(), "SELECT (SELECT count(*) FROM event_consumed) + (SELECT count(*) FROM ledger_fold)")
	b.CheckLedger(t)
}

// The worker records the calls that were refused before they were admitted.
func TestTheWorkerRecordsRefusedCalls(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	for range 7 {
		check.Must(t, b.Host.Sessions.CountRefused(t.Context(), session.Refused{
			Channel: channel.ID{1}, Code: "FRAME_REPLAYED", Function: "otp-send", Category: "auth", Trace: "t",
		}))
	}
	b.Advance(2 * time.Minute)
	work, err := upkeep.Worker.Start(t.Context(), b.Host, host.Values(upkeep.Config{FoldEvery: time.Hour, PruneEvery: time.Hour}))
	check.Must(t, err)
	bank.Background(t, work)
	check.UntilCount(t, 1, b.Host.DB.Pool(), "SELECT count(*) FROM outbox WHERE data->>'count' = '7'")
}

// The worker fetches the authority's revocation lists.
func TestTheWorkerFetchesRevocationLists(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	key := b.SoftUKey(t, b.Customer(t, "王小明"), cert.InApp)
	b.Authority(t).Revoke(key.Certificate.Serial())
	work, err := upkeep.Worker.Start(t.Context(), b.Host, host.Values(upkeep.Config{
		FoldEvery: time.Hour, PruneEvery: time.Hour, Authority: b.AuthorityConfig(t),
	}))
	check.Must(t, err)
	bank.Background(t, work)
	check.UntilCount(t, 1, b.Host.DB.Pool(), "SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL")
}

// The worker logs a table that it can't prune, and prunes the other tables.
func TestOneTableFails(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	b.Exec(t, "ALTER TABLE idempotency RENAME TO lost")
	b.Exec(t, rows["event_consumed"].goes[0], 90*24*time.Hour)
	work, err := upkeep.Worker.Start(t.Context(), b.Host, host.Values(upkeep.Config{FoldEvery: time.Second, PruneEvery: time.Hour}))
	check.Must(t, err)
	bank.Background(t, work)
	check.UntilCount(t, 0, b.Host.DB.Pool(), "SELECT count(*) FROM event_consumed")
	if log := b.Log.String(); !strings.Contains(log, `"table":"idempotency"`) {
		t.Errorf("the log says %s", log)
	}
}

// No statement empties a table whose rows stay, not even by the way of another table.
// Records are never changed either.
func TestKeptTablesRefuseToBeEmptied(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	appendOnly := []string{"audit_record", "entry", "evidence", "fraud_score", "posting", "stepup_cap", "stepup_rule", "transfer"}
	for _, table := range slices.Sorted(maps.Keys(upkeep.Kept())) {
		var refused *pgconn.PgError
		if _, err := db.Pool().Exec(t.Context(), "TRUNCATE "+table+" CASCADE"); !errors.As(err, &refused) || refused.Code != "TB000" {
			t.Errorf("TRUNCATE %s: %v, want a refusal", table, err)
		}
		// The bits 8 and 16 stand for DELETE and UPDATE, 1 for each row, 2 for before it.
		guarded := check.Count(t, db.Pool(), `
SELECT count(*) FROM pg_trigger WHERE tgrelid = $1::regclass AND tgfoid = 'refuse_change'::regproc AND tgtype = 27
   AND tgenabled = 'O'`, table)
		if want := slices.Contains(appendOnly, table); (guarded == 1) != want {
			t.Errorf("%s is append-only: %v, want %v", table, guarded == 1, want)
		}
	}
}
