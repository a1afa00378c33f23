package confirm_test

import (
	"testing"

	"github.com/google/uuid"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/contract"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// bindPayee binds the payee at the counter, with a named phone unless it is empty.
func bindPayee(t *testing.T, w bank.Pair, account uuid.UUID, phone string) {
	t.Helper()
	pgtest.Commit(t, w.Host.DB, func(u *pg.Unit) error {
		var index []byte
		if phone != "" {
			index = customer.PhoneIndex(w.Host.Keys, phone)
		}
		contract.BindPayee(u, w.Payer.ID, account, index, contract.Counter{IdentityCheck: "card", Operator: "wang"}, w.Clock.Now())
		return nil
	})
}

// Without the contract, money moves between own accounts, within their limits, and to the payee who was bound
// at the counter with the customer's number as the transaction phone. It moves to nobody else: not to
// another account of that payee, and not if the number is none or another one.
func TestWithoutTheContract(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-021.1", "XFER-013.1", "XFER-013.2")
	w := bank.UnsignedPair(t, 100_000_00)
	bound := w.Payee.AccountIDs[0]
	refused := func() {
		t.Helper()
		w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)).Want(t, "FUND_CONTRACT_MISSING")
	}
	refused()
	w.Phone.Call(t, transferprepare.Function, "", w.ToOwn(50_000_01)).Want(t, "STEPUP_STRONGER")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToOwn(40_000_00)))).Want(t, "")

	bindPayee(t, w, bound, "")
	refused()
	bindPayee(t, w, bound, w.Payee.Phone)
	refused()
	bindPayee(t, w, w.Payee.AccountIDs[1], w.Payer.Phone)
	refused()
	bindPayee(t, w, bound, w.Payer.Phone)
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(10_000_01)).Want(t, "LIMIT_EXCEEDED")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(1_00)))).Want(t, "")

	// What has changed since the preparation counts in the transaction of the posting.
	late, changed := w.Prepare(t, w.ToPayee(2_00)), w.Prepare(t, w.ToPayee(3_00))
	bindPayee(t, w, bound, "")
	w.Confirm(t, w.Proved(t, late)).Want(t, "FUND_CONTRACT_MISSING")
	bindPayee(t, w, bound, w.Payer.Phone)
	w.Exec(t, "UPDATE customer SET phone_bidx = '\\x01' WHERE id = $1", w.Payer.ID)
	w.Confirm(t, w.Proved(t, changed)).Want(t, "FUND_CONTRACT_MISSING")
	if got := w.Balance(t, bound); got != 1_00 {
		t.Errorf("%s arrived", got.Yuan())
	}
	w.CheckLedger(t)
}
