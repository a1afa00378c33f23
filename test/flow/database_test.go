package flow_test

import (
	"errors"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// refusedBy runs a statement that the database must refuse, and returns which
// constraint refused it.
func (p fixture) refusedBy(t *testing.T, sql string, args ...any) string {
	t.Helper()
	_, err := p.Host.DB.Pool().Exec(t.Context(), sql, args...)
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		t.Errorf("%s: %v, want a refusal of the database", sql, err)
		return ""
	}
	return refused.ConstraintName
}

func TestTheDatabaseRefusesBadRows(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-015.1")
	p := newFixture(t)
	p.paidBy(t, p.wang)
	for _, tt := range []struct{ name, by, sql string }{
		{"orphan credential", "credential_customer_id_fkey", `
INSERT INTO credential (customer_id, login_password, trade_password) VALUES (gen_random_uuid(), 'x', 'x')`},
		{"orphan device", "device_customer_id_fkey", `
INSERT INTO device (customer_id, device_id, public_key) VALUES (gen_random_uuid(), 'phone', '')`},
		{"orphan account", "account_customer_id_fkey", `
INSERT INTO account (id, customer_id, kind, no_ct, no_bidx, no_masked)
VALUES (gen_random_uuid(), gen_random_uuid(), 'debit', '', '1', '')`},
		{"negative balance", "account_available_not_negative", `
INSERT INTO account (id, kind, no_ct, no_bidx, no_masked, balance) VALUES (gen_random_uuid(), 'debit', '', '2', '', -1)`},
		{"balance made negative", "account_available_not_negative", `UPDATE account SET balance = -1 WHERE kind = 'debit'`},
		{"negative hold", "account_held_not_negative", `UPDATE account SET held = -1 WHERE kind = 'debit'`},
		{"unknown state of an account", "account_state", `UPDATE account SET state = 'asleep'`},
		{"unknown kind of an account", "account_kind", `UPDATE account SET kind = 'gold'`},
		{"unknown state of an order", "intent_state", `UPDATE intent SET state = 'asleep'`},
		{"unknown grade of a customer", "customer_risk_grade", `UPDATE customer SET risk_grade = 3`},
		{"unknown grade of an order", "intent_grade", `UPDATE intent SET grade = -1`},
		{"unknown state of a delivery", "delivery_state", `
INSERT INTO delivery (consumer, event_id, event, state, due_at) VALUES ('x', gen_random_uuid(), '', 'asleep', now())`},
		{"posting of nothing", "posting_amount_positive", `
INSERT INTO posting SELECT gen_random_uuid(), kind, debit_id, credit_id, 0, business_day, posted_at, mac, mac_key FROM posting`},
		{"doubled order number", "transfer_pkey", `
INSERT INTO transfer SELECT id, customer_id, gen_random_uuid(), debit_id, credit_id, amount, detail_ct, posted_at FROM transfer`},
		{"order of one intent twice", "transfer_intent_unique", `
INSERT INTO transfer SELECT gen_random_uuid(), customer_id, intent_id, debit_id, credit_id, amount, detail_ct, posted_at
  FROM transfer`},
		{"doubled posting number", "posting_pkey", `INSERT INTO posting SELECT * FROM posting`},
		{"doubled intent number", "intent_pkey", `INSERT INTO intent SELECT * FROM intent`},
		{"doubled account number", "account_no_unique", `
INSERT INTO account (id, kind, no_ct, no_bidx, no_masked) SELECT gen_random_uuid(), kind, no_ct, no_bidx, no_masked FROM account`},
	} {
		before := p.rows(t)
		if got := p.refusedBy(t, tt.sql); got != tt.by {
			t.Errorf("%s: refused by %q, want %s", tt.name, got, tt.by)
		}
		same(t, tt.name, before, p.rows(t))
	}
}

// mayBeMissing are the columns of which a row may hold no value.
var mayBeMissing = []string{
	"account.card_password", "account.customer_id", "certificate.attestation", "certificate.device_id",
	"certificate.revoked_at", "credential.last_login_at", "credential.last_login_device", "credential.login_until",
	"credential.previous_login_at", "credential.previous_login_device",
	"credential.trade_day", "credential.trade_in_flight_at", "credential.trade_locked_until", "customer.alias_bidx",
	"dead_letter.replayed_at", "device.face_key", "device.fingerprint_key", "device.gesture",
	"device_report.intent_id", "face_check.ended_at", "face_check.tried_at",
	"login_attempt.locked_until",
	"login_origin.locked_until", "message.read_at", "otp_challenge.customer_id", "otp_challenge.in_flight_at",
	"otp_challenge.used_at", "otp_quota.phone_bidx", "outbox.published_at", "outbox.set_aside_at", "reseal_progress.done_at",
	"token.in_flight_at", "token.locked_until",
}

// TestAColumnLeftOutTakesItsDefault inserts, into each table, a copy of one of its
// rows without each column in turn. Keys are dropped for the time of the
// transaction, so that the copy is refused for nothing else.
func TestAColumnLeftOutTakesItsDefault(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-015.2")
	p := newFixture(t)
	for name, request := range p.good(t) {
		if name == "identity-register" || name == "identity-login" {
			call(t, p.wang.phone, name, request).Want(t, "")
		}
	}
	rows, err := p.Host.DB.Pool().Query(t.Context(), `
SELECT table_name, column_name, coalesce(column_default, ''), is_nullable = 'YES'
  FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'goose_db_version' ORDER BY 1, 2`)
	check.Must(t, err)
	type column struct {
		Table, Name, Default string
		Nullable             bool
	}
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	check.Must(t, err)
	required, defaults := 0, 0
	var optional []string
	for _, c := range columns {
		if c.Nullable {
			optional = append(optional, c.Table+"."+c.Name)
		}
		got, want, err := p.insertWithout(t, c.Table, c.Name, c.Default)
		var refused *pgconn.PgError
		switch {
		case errors.Is(err, pgx.ErrNoRows): // no row to copy
		case c.Default != "":
			defaults++
			if err != nil || got != want {
				t.Errorf("%s.%s left out is %q, %v; want %q", c.Table, c.Name, got, err, want)
			}
		case !c.Nullable:
			required++
			if !errors.As(err, &refused) || refused.Code != "23502" {
				t.Errorf("%s.%s left out: %v, want a refusal of the missing value", c.Table, c.Name, err)
			}
		}
	}
	if diff := cmp.Diff(mayBeMissing, optional); diff != "" {
		t.Errorf("columns that may be missing (-want +got):\n%s", diff)
	}
	if required < 60 || defaults < 12 {
		t.Fatalf("only %d required columns and %d defaults were walked", required, defaults)
	}
}

// insertWithout copies a row except one column. It returns that column's value in the
// copy, and its default.
func (p fixture) insertWithout(t *testing.T, table, column, byDefault string) (got, want string, err error) {
	t.Helper()
	tx, err := p.Host.DB.Pool().Begin(t.Context())
	check.Must(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	var names, drops string
	check.Must(t, tx.QueryRow(t.Context(), `
SELECT (SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = $1 AND column_name <> $2),
       coalesce((SELECT string_agg(format('ALTER TABLE %I DROP CONSTRAINT %I CASCADE', $1, conname), '; ')
                   FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype IN ('p', 'u')), '')
       || coalesce((SELECT string_agg(format('; DROP INDEX %s', indexrelid::regclass), '')
                      FROM pg_index WHERE indrelid = $1::text::regclass AND indisunique AND indpred IS NOT NULL), '')`,
		table, column).Scan(&names, &drops))
	check.Exec(t, tx, drops)
	if byDefault == "" {
		byDefault = "NULL"
	}
	quoted := pgx.Identifier{table}.Sanitize()
	err = tx.QueryRow(t.Context(), `
INSERT INTO `+quoted+` (`+names+`) SELECT `+names+` FROM `+quoted+` LIMIT 1
RETURNING coalesce(`+pgx.Identifier{column}.Sanitize()+`::text, ''), coalesce((`+byDefault+`)::text, '')`).Scan(&got, &want)
	return got, want, err
}

// TestABrokenOffWriteIsAllOrNothing ends the database's session in the middle of a
// transfer and of a sign-up: when each table in turn has been written, and when all
// is about to be committed. Nothing is left of the request, and sent again under its
// key it succeeds.
func TestABrokenOffWriteIsAllOrNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-015.3")
	p := newFixture(t)
	p.Exec(t, `
CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid());
    PERFORM pg_sleep(10);
    RETURN NULL;
END $$`)
	steps := 0
	breakOff := func(name, table, when string, request fields) {
		t.Helper()
		steps++
		before := p.rows(t, "card_attempt") // counted before the request's own write
		p.Exec(t, `CREATE CONSTRAINT TRIGGER break_off AFTER INSERT OR UPDATE ON `+table+` DEFERRABLE INITIALLY `+when+
			` FOR EACH ROW EXECUTE FUNCTION break_off()`)
		f := functest.Named(t, name)
		reply := p.wang.phone.Call(t, f, when, request)
		if reply.Status < 500 {
			t.Errorf("%s broken off at %s, %s: %d %s", name, table, when, reply.Status, reply.Body)
		}
		p.Exec(t, "DROP TRIGGER break_off ON "+table)
		same(t, name+" broken off at "+table+", "+when, before, p.rows(t, "card_attempt"))
	}
	for _, when := range []string{"IMMEDIATE", "DEFERRED"} {
		in := p.prepare(t, p.wang, p.li, 1_00)
		request := proved(t, p.wang, in)
		for _, table := range []string{"idempotency", "intent", "limit_use", "account", "posting", "entry", "transfer", "outbox"} {
			p.calm(t)
			breakOff("transfer-confirm", table, when, request)
		}
		who := p.applicant(t, "赵六"+when)
		p.calm(t)
		p.wang.phone.Call(t, functest.Named(t, "transfer-confirm"), when, request).Want(t, "")
		signUp := application(t, p.wang.phone, who.Customer, p.numberCode(t, p.wang.phone, otp.Register, who.Phone))
		for _, table := range []string{"idempotency", "otp_challenge", "credential", "device", "outbox"} {
			if table == "otp_challenge" && when == "IMMEDIATE" {
				continue // counting the try is a write of its own, before the request's
			}
			p.calm(t)
			breakOff("identity-register", table, when, signUp)
		}
		p.calm(t)
		p.wang.phone.Call(t, functest.Named(t, "identity-register"), when, signUp).Want(t, "")
	}
	if steps < 20 {
		t.Fatalf("only %d steps were broken off", steps)
	}
	if n := p.posted(t); n != 2 {
		t.Errorf("%d transfers are posted, want 2", n)
	}
	p.CheckLedger(t)
	if got := p.Balance(t, p.li.AccountIDs[0]); got != 100_002_00 {
		t.Errorf("the payee has %s", got.Yuan())
	}
}
