package chaos

import (
	"context"
	"testing"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/local"
	"github.com/tidebank/tidebank/test/req"
)

// The process dies (kill -9) after the money has been committed and before its
// event could be published; and again in the middle of a delivery. After each
// restart the event arrives, and has its effect once.
func TestCrashBetweenCommitAndEffect(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-013.1")
	for name, table := range map[string]string{
		"before it is published":      "delivery",
		"in the middle of a delivery": "message",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bank := local.New(t)
			instance := bank.Start(t)
			app := bank.Customer(t, instance)
			accounts := overview(t, app)
			o := ordered(t, app, client.TransferPrepareRequest{
				DebitAccountID: accounts[0].AccountID, PayeeAccountID: &accounts[1].AccountID, Amount: 100,
			}, false)
			settled(t, bank)

			release := block(t, bank, table)
			o.confirm(t)
			if len(o.answers) != 1 {
				t.Fatalf("refused: %v", o.refused)
			}
			awaitBlocked(t, bank, table)
			bank.Kill(t, instance)
			release()

			bank.Start(t)
			arrived(t, bank)
			settled(t, bank)
			sound(t, bank)
			effects(t, bank, 1)
			o.confirm(t) // the app that lost the answer asks again
			if len(o.answers) != 1 {
				t.Errorf("the same key was answered with %d transfers", len(o.answers))
			}
			effects(t, bank, 1)
		})
	}
}

// block makes every writer of a table wait.
func block(t *testing.T, bank *local.Bank, table string) (release func()) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	tx, err := bank.DB.Pool().Begin(ctx)
	check.Must(t, err)
	check.Exec(t, tx, "SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE "+table+" IN EXCLUSIVE MODE")
	return func() { check.Must(t, tx.Rollback(ctx)) }
}

// awaitBlocked waits until a writer of the table waits.
func awaitBlocked(t *testing.T, bank *local.Bank, table string) {
	t.Helper()
	check.Until(t, "a writer waits for "+table, func() bool {
		return check.Value[bool](t, bank.DB.Pool(), `
SELECT EXISTS (SELECT 1 FROM pg_locks WHERE relation = $1::text::regclass AND NOT granted)`, table)
	})
}

// arrived waits until the transfer's event has come to its three consumers. Right after
// a crash an event may still be leased, and settled does not wait for it.
func arrived(t *testing.T, bank *local.Bank) {
	t.Helper()
	check.UntilCount(t, 3, bank.DB.Pool(), `
SELECT count(*) FROM event_consumed c JOIN outbox o ON o.id::text = c.id
 WHERE o.type = 'com.tidebank.transfer.posted.v1' AND c.consumer NOT LIKE '%/%'`)
}
