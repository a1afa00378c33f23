package get_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/transfer"
	transferget "github.com/tidebank/tidebank/functions/transfer/get"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// fixture is a bank in which the payer has paid the payee 12.34.
type fixture struct {
	bank.Pair
	paid transfer.View
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	w := fixture{Pair: bank.NewPair(t, 100_00)}
	request := w.ToPayee(12_34)
	request["payee_account_no"], request["memo"] = w.Payee.Accounts[1].No, "电话"+w.Payee.Phone
	w.Confirm(t, w.Proved(t, w.Prepare(t, request))).Into(t, &w.paid)
	return w
}

func show(t *testing.T, d *bank.Device, id any) bank.Reply {
	t.Helper()
	return d.Call(t, transferget.Function, "", map[string]any{"transfer_id": id})
}

func TestTheReceiptIsWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	var got transfer.View
	show(t, w.Phone, w.paid.TransferID).Into(t, &got)
	if diff := cmp.Diff(w.paid, got); diff != "" {
		t.Errorf("receipt and confirmation (-confirmed +shown):\n%s", diff)
	}
	want := transfer.View{
		TransferID: got.TransferID, Status: "posted", Amount: 12_34, PayeeNameMasked: "*四",
		PayerAccountMasked: "622848*********0001", PayeeAccountMasked: "622848*********0002",
		PayeeCode: ledger.PayeeCode(ledger.NumberIndex(w.Host.Keys, w.Payee.Accounts[1].No)),
		Memo:      "电话138****5838", PostedAt: bank.Start.In(clock.Shanghai),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
}

// Neither a stranger nor the payee learns that the payer's transfer exists.
func TestTransfersOfOthersAndNone(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	li, zhao := w.Device(t, "phone-of-li"), w.Device(t, "phone-of-zhao")
	li.LoginAs(t, w.Payee)
	zhao.LoginAs(t, w.Customer(t, "赵六", 0))
	none := show(t, zhao, uuid.New())
	none.Want(t, "OBJECT_NOT_FOUND")
	for name, got := range map[string]bank.Reply{
		"a stranger": show(t, zhao, w.paid.TransferID), "the payee": show(t, li, w.paid.TransferID),
		"nil": show(t, w.Phone, uuid.Nil), "not a transfer": show(t, w.Phone, w.Payer.AccountIDs[0]),
	} {
		got.Want(t, "OBJECT_NOT_FOUND")
		bank.WantSame(t, name, got, none)
	}
	show(t, w.Phone, w.paid.TransferID).Want(t, "")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	show(t, w.Device(t, "stranger"), w.paid.TransferID).Want(t, "SESSION_REQUIRED")
	for _, body := range []string{
		`{"transfer_id":"x"}`, `{"transfer_id":7}`, `[]`, `{"transfer_id":"` + w.paid.TransferID.String() + `","full":true}`,
	} {
		w.Phone.Call(t, transferget.Function, "", json.RawMessage(body)).Want(t, "INPUT_INVALID")
	}
	down := bank.On(t, pgtest.Broken(t))
	d := down.Device(t, "phone-of-wang")
	check.Must(t, down.Host.Sessions.Start(t.Context(), d.Channel, w.Payer.ID))
	show(t, d, w.paid.TransferID).Want(t, "SERVICE_UNAVAILABLE")
}

// The bank does not show a detail that was changed or sealed for another transfer.
func TestADetailOfAnotherRowIsNotShown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	other := uuid.New()
	w.Exec(t, `
INSERT INTO transfer (id, customer_id, intent_id, debit_id, credit_id, amount, detail_ct, posted_at)
SELECT $1, customer_id, $1, debit_id, credit_id, amount, detail_ct, posted_at FROM transfer`, other)
	show(t, w.Phone, other).Want(t, "INTERNAL_ERROR")
}
