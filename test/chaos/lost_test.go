package chaos

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/test/local"
	"github.com/tidebank/tidebank/test/req"
)

// The instance dies (kill -9) while the confirm writes to each of the tables in
// turn. The transfer is then posted once or not at all; the app's next try, at
// another instance, leaves it posted once.
func TestInstanceLostAtEachStep(t *testing.T) {
	t.Parallel()
	req.Covers(t, "XFER-001.3")
	bank := local.New(t)
	instance := bank.Start(t)
	app := bank.Customer(t, instance)
	steps := []string{"idempotency", "intent", "limit_use", "account", "posting", "entry", "transfer", "outbox"}
	for _, table := range steps {
		accounts := overview(t, app)
		o := ordered(t, app, client.TransferOrder{
			DebitAccountID: accounts[0].AccountID, PayeeAccountID: &accounts[1].AccountID, Amount: 100,
		}, false)
		settled(t, bank)
		await(t, bank, "nothing to fold", "SELECT NOT EXISTS (SELECT 1 FROM ledger_fold)")

		release := block(t, bank, table)
		answered := make(chan struct{})
		go func() { defer close(answered); o.confirm(t) }()
		await(t, bank, "the confirm waits for "+table, `
SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                WHERE l.relation = '`+table+`'::regclass AND NOT l.granted AND a.query NOT LIKE '%outbox.lease%')`)
		bank.Kill(t, instance)
		release()
		await(t, bank, "the dead instance's connections have ended", `
SELECT count(*) = 0 FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`)
		if n := posted(t, bank, o); n > 1 {
			t.Errorf("lost at %s: posted %d times", table, n)
		}
		sound(t, bank)

		instance = bank.Start(t)
		<-answered
		if n := posted(t, bank, o); n != 1 || len(o.answers) != 1 {
			t.Errorf("lost at %s, and tried again: posted %d times, answered with %d transfers", table, n, len(o.answers))
		}
		sound(t, bank)
	}
	settled(t, bank)
	effects(t, bank, len(steps))
}

// posted counts the postings of an order.
func posted(t *testing.T, b *local.Bank, o *order) (n int) {
	t.Helper()
	must(t, b.DB.Pool().QueryRow(t.Context(), `
SELECT count(*) FROM transfer JOIN posting USING (id) WHERE intent_id = $1`, o.intent.IntentID).Scan(&n))
	return n
}

// await waits until a query says true.
func await(t *testing.T, b *local.Bank, what, sql string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var holds bool
		must(t, b.DB.Pool().QueryRow(t.Context(), sql).Scan(&holds))
		if holds {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
