package confirm_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"

	accountoverview "github.com/tidebank/tidebank/functions/account/overview"
	accountstatement "github.com/tidebank/tidebank/functions/account/statement"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// seen is how much each side has, and how many entries and postings tell of it.
type seen struct {
	Payer, Payee      money.Fen
	Entries, Postings int
}

// look reads both sides of the transfer in one statement.
func (w fixture) look(t *testing.T) seen {
	t.Helper()
	var s seen
	err := w.Host.DB.Pool().QueryRow(context.Background(), `
SELECT (SELECT balance FROM account WHERE id = $1), (SELECT balance FROM account WHERE id = $2),
       (SELECT count(*) FROM entry WHERE account_id IN ($1, $2)), (SELECT count(*) FROM posting WHERE kind = 'transfer')`,
		w.Payer.AccountIDs[0], w.Payee.AccountIDs[0]).Scan(&s.Payer, &s.Payee, &s.Entries, &s.Postings)
	check.Must(t, err)
	return s
}

// shown is how much the customer of the phone is told to have, and by how many entries.
func shown(t *testing.T, phone *bank.Device, account uuid.UUID) (money.Fen, int) {
	t.Helper()
	var all accountoverview.Response
	phone.Call(t, accountoverview.Function, "", struct{}{}).Into(t, &all)
	var page accountstatement.Response
	phone.Call(t, accountstatement.Function, "", map[string]any{"account_id": account}).Into(t, &page)
	return all.Assets.Total, len(page.Entries)
}

// The transfer is stopped after its last statement and before its commit: nobody
// sees the debit, and nobody the credit. Then both are there.
func TestNobodySeesHalfATransfer(t *testing.T) {
	t.Parallel()
	req.Covers(t, "XFER-001.1")
	w := newFixture(t, 1_000_00)
	payees := w.Device(t, "phone-of-li")
	payees.LoginAs(t, w.Payee)
	proofs := w.proofs(t, w.prepare(t, 300_00))
	lock, err := w.Host.DB.Pool().Begin(t.Context())
	check.Must(t, err)
	check.Exec(t, lock, "LOCK TABLE transfer, outbox IN EXCLUSIVE MODE")
	done := make(chan bank.Reply)
	go func() { done <- w.Phone.Call(t, transferconfirm.Function, "key", proofs) }()
	pgtest.AwaitLocks(t, w.Host.DB, 1)
	if got := w.look(t); got != (seen{Payer: 1_000_00, Entries: 1}) {
		t.Errorf("before the commit: %+v", got)
	}
	check.Must(t, lock.Rollback(t.Context()))
	(<-done).Want(t, "")
	if got := w.look(t); got != (seen{700_00, 300_00, 3, 1}) {
		t.Errorf("after the commit: %+v", got)
	}
	if got, entries := shown(t, payees, w.Payee.AccountIDs[0]); got != 300_00 || entries != 1 {
		t.Errorf("the payee is shown %s and %d entries", got.Yuan(), entries)
	}
	w.Sound(t)
}

// While money moves to and fro between two accounts of one customer, each look at
// them finds all of it.
func TestEachLookFindsAllTheMoney(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	const transfers, looks = 16, 40
	moved := make(chan struct{})
	go func() {
		defer close(moved)
		for i := range transfers {
			var in transferprepare.Response
			w.Phone.Call(t, transferprepare.Function, "", map[string]any{
				"debit_account_id": w.Payer.AccountIDs[i%2], "payee_account_id": w.Payer.AccountIDs[1-i%2], "amount_fen": 1_000_00,
			}).Into(t, &in)
			signed := w.Signed(t, in)
			w.Phone.Call(t, transferconfirm.Function, fmt.Sprint("key", i), confirmation(in.IntentID, signed)).Want(t, "")
		}
	}()
	n := 0
	for working := true; working || n < looks; n++ {
		var all accountoverview.Response
		w.Phone.Call(t, accountoverview.Function, "", struct{}{}).Into(t, &all)
		if all.Assets.Total != 1_000_00 || len(all.Accounts) != 2 {
			t.Fatalf("look %d finds %s in %d accounts", n, all.Assets.Total.Yuan(), len(all.Accounts))
		}
		select {
		case <-moved:
			working = false
		default:
		}
	}
	if n < transfers {
		t.Errorf("only %d looks at %d transfers", n, transfers)
	}
	w.Sound(t)
}
