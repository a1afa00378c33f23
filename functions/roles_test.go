package functions_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/workers"
	"github.com/tidebank/tidebank/workers/upkeep"
)

// as opens the database with the role of a function.
func as(t testing.TB, url, function string) *pg.DB {
	t.Helper()
	db, err := pg.Open(t.Context(), pg.Config{URL: url + "&role=" + roles.Name(function), MaxConns: 2})
	check.Must(t, err)
	t.Cleanup(db.Close)
	return db
}

// A customer goes through every function of the bank, and each function is connected
// by its own role.
func TestEachFunctionRunsAsItsRole(t *testing.T) {
	t.Parallel()
	owner, url := pgtest.NewURL(t)
	check.Must(t, roles.Apply(t.Context(), url))
	check.Must(t, roles.Apply(t.Context(), url)) // a second time changes nothing
	b := bank.On(t, owner)
	b.DatabaseOf = func(t testing.TB, f fn.Function) *pg.DB {
		t.Helper()
		if f.Spec.NoDatabase {
			return owner
		}
		return as(t, url, f.Spec.Name)
	}
	journeyOn(t, b).travel(t)
	work := as(t, url, "bank-upkeep")
	check.Must(t, ledger.FoldAll(t.Context(), work))
	for _, r := range upkeep.Retentions() {
		if _, err := work.Prune(t.Context(), r, time.Now()); err != nil {
			t.Errorf("prune %s: %v", r.Table, err)
		}
	}
	var unit pg.Unit
	refused := events.AccessRecorded{Function: "transfer-list", Outcome: "SESSION_REQUIRED", Count: 2}
	check.Must(t, events.EmitOnce(t.Context(), &unit, uuid.New(), "transfer-list", refused))
	check.Must(t, work.Commit(t.Context(), &unit))
	b.CheckLedger(t)
	relay := as(t, url, "events-relay")
	for _, lane := range events.Lanes() {
		stored, err := events.Lease(t.Context(), relay, lane, time.Minute, 1)
		check.Must(t, err)
		for _, e := range stored {
			check.Must(t, events.Failed(t.Context(), relay, []events.Failure{{ID: e.ID, Reason: "of a test"}}))
			check.Must(t, events.Release(t.Context(), relay, []string{e.ID}))
			check.Must(t, events.MarkPublished(t.Context(), relay, []string{e.ID}))
		}
	}
}

// A function that is connected by its role can do nothing that its own statements don't
// do: not read passwords, not move money, not change a record or a figure of the policy.
func TestARoleDoesNothingElse(t *testing.T) {
	t.Parallel()
	_, url := pgtest.NewURL(t)
	check.Must(t, roles.Apply(t.Context(), url))
	for function, list := range map[string][]string{
		"transfer-list": {
			"SELECT login_password FROM credential", "UPDATE account SET balance = 0", "SELECT no_ct FROM account",
			"INSERT INTO transfer SELECT * FROM transfer", "DELETE FROM outbox", "SELECT * FROM audit_record",
			`SELECT ledger_post(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
			"CREATE TABLE public.mine (a int)", "SET session_replication_role = replica", "ALTER TABLE entry DISABLE TRIGGER ALL",
		},
		"transfer-confirm": {
			"UPDATE account SET balance = balance + 1", "INSERT INTO posting SELECT * FROM posting",
			"INSERT INTO entry SELECT * FROM entry", "INSERT INTO ledger_fold SELECT * FROM ledger_fold",
			"DELETE FROM entry", "UPDATE posting SET amount = 1", "TRUNCATE entry", "UPDATE policy SET value = 0",
			"UPDATE customer SET risk_grade = 0", "SELECT * FROM message", "UPDATE credential SET login_password = ''",
			"UPDATE intent SET payload_ct = ''", "INSERT INTO account SELECT * FROM account",
		},
		"audit-on-event": {"UPDATE audit_record SET body = body", "TRUNCATE audit_record", "SELECT * FROM customer"},
		"bank-upkeep": {
			"DELETE FROM entry", "DELETE FROM audit_record", "UPDATE entry SET number = 1", "SELECT * FROM credential",
			"UPDATE account SET balance = 0", "INSERT INTO entry SELECT * FROM entry", "DELETE FROM ledger_fold",
			"INSERT INTO ledger_fold SELECT * FROM ledger_fold", "UPDATE limit_use SET used = 0", "SELECT limit_use(NULL, '', NULL, 1, 1)",
		},
		"identity-preference-set": {
			"UPDATE stepup_rule SET combinations = '{}'", "INSERT INTO stepup_rule SELECT * FROM stepup_rule",
			"INSERT INTO stepup_cap SELECT * FROM stepup_cap", "DELETE FROM stepup_preference", "SELECT * FROM customer",
		},
		"identity-option-set": {
			"DELETE FROM option_change", "UPDATE option_change SET warning = 'x'", "UPDATE policy SET value = 0", "SELECT * FROM customer",
		},
		"device-report": {
			"DELETE FROM device_report", "UPDATE device_report SET customer_id = customer_id", "UPDATE device SET public_key = ''",
			"SELECT * FROM customer",
		},
		"device-list": {"DELETE FROM device", "SELECT * FROM intent"},
		"device-unbind": {
			"UPDATE device SET public_key = ''", "INSERT INTO device SELECT * FROM device", "UPDATE intent SET payload_ct = ''",
			"SELECT * FROM customer",
		},
		"identity-phone-change": {
			"UPDATE customer SET alias_ct = ''", "UPDATE customer SET risk_grade = 0", "UPDATE credential SET login_password = ''",
			"UPDATE intent SET payload_ct = ''", "DELETE FROM phone_change", "UPDATE phone_change SET former_ct = ''",
			"SELECT * FROM message",
		},
		"notify-on-phone":          {"UPDATE customer SET phone_ct = ''", "DELETE FROM phone_change"},
		"identity-password-change": {"UPDATE device SET public_key = ''", "DELETE FROM device"},
		"identity-password-reset":  {"UPDATE device SET public_key = ''", "UPDATE device SET locked = false"},
		"identity-gesture-set":     {"UPDATE device SET public_key = ''", "UPDATE device SET face_key = ''"},
		"identity-unlock-key-set":  {"UPDATE device SET public_key = ''", "UPDATE device SET gesture = ''"},
		"identity-quick-challenge": {"SELECT * FROM login_challenge", "SELECT * FROM customer", "SELECT * FROM device"},
		"identity-quick-login": {
			"UPDATE device SET public_key = ''", "UPDATE device SET fingerprint_key = ''", "INSERT INTO device SELECT * FROM device",
			"UPDATE customer SET phone_bidx = ''", "UPDATE credential SET login_password = ''", "UPDATE login_attempt SET frozen = false",
		},
		"identity-alias-set": {"UPDATE customer SET phone_bidx = ''", "UPDATE customer SET risk_grade = 0"},
		"account-alias-set":  {"UPDATE account SET balance = 1", "UPDATE account SET alias_ct = '', state = 'open'"},
		"transfer-prepare":   {"UPDATE intent SET state = 'open'", "UPDATE credential SET trade_password = ''"},
		"identity-logout":    {"UPDATE intent SET state = 'open', payload_ct = ''"},
	} {
		db := as(t, url, function)
		for _, sql := range list {
			var refused *pgconn.PgError
			if _, err := db.Pool().Exec(t.Context(), sql); !errors.As(err, &refused) || refused.Code != "42501" {
				t.Errorf("%s: %s: %v, want a missing privilege", function, sql, err)
			}
		}
	}
}

// No role may change or empty a record, write the policy, or own anything.
func TestNoRoleChangesRecords(t *testing.T) {
	t.Parallel()
	owner, url := pgtest.NewURL(t)
	check.Must(t, roles.Apply(t.Context(), url))
	for _, f := range req.AtLeast(t, 20, append(functions.All(), workers.All()...)) {
		if f.Spec.NoDatabase {
			continue
		}
		role := roles.Name(f.Spec.Name)
		for _, table := range append([]string{"policy"}, append(records, "fraud_score")...) {
			if check.Value[bool](t, owner.Pool(), `
SELECT has_any_column_privilege($1, $2, 'UPDATE') OR has_table_privilege($1, $2, 'DELETE') OR has_table_privilege($1, $2, 'TRUNCATE')`,
				role, table) {
				t.Errorf("%s may change %s", role, table)
			}
		}
		if n := check.Count(t, owner.Pool(), `
SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'public'::regnamespace
   AND a.grantee = $1::text::regrole AND a.privilege_type NOT IN ('SELECT', 'INSERT', 'DELETE')`, role); n != 0 {
			t.Errorf("%s has %d rights of other kinds: it may change single columns only", role, n)
		}
		if check.Value[bool](t, owner.Pool(), `
SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls FROM pg_roles WHERE rolname = $1`, role) {
			t.Errorf("%s has rights over the server", role)
		}
	}
}
