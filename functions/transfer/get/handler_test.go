package get_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/functions/transfer/get"
	"github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
)

// town is a bank in which the payer has paid the payee 12.34.
type town struct {
	*bank.Bank
	phone        *bank.Device
	payer, payee seed.Customer
	paid         transfer.View
}

func newTown(t *testing.T) town {
	t.Helper()
	b := bank.New(t)
	w := town{Bank: b, phone: b.Device(t, "phone-of-wang")}
	w.payer, w.payee = b.Customer(t, "王小明", 100_00), b.Customer(t, "李四", 0, 0)
	w.phone.LoginAs(t, w.payer)
	var in prepare.Response
	w.phone.Call(t, prepare.Function, "", map[string]any{
		"debit_account_id": w.payer.AccountIDs[0], "payee_account_no": w.payee.Accounts[1].No, "payee_name": w.payee.Name,
		"amount_fen": 12_34, "memo": "电话" + w.payee.Phone,
	}).Into(t, &in)
	signature, err := sm.Sign(w.phone.Key, []byte(in.Text))
	if err != nil {
		t.Fatal(err)
	}
	w.phone.Call(t, confirm.Function, "key", stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{
		{Factor: stepup.DeviceKey, Signature: signature},
		{Factor: stepup.TradePassword, Password: w.phone.Password(t, bank.TradePassword)},
	}}).Into(t, &w.paid)
	return w
}

func show(t *testing.T, d *bank.Device, id any) bank.Reply {
	t.Helper()
	return d.Call(t, get.Function, "", map[string]any{"transfer_id": id})
}

func TestTheReceiptIsWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	var got transfer.View
	show(t, w.phone, w.paid.TransferID).Into(t, &got)
	if diff := cmp.Diff(w.paid, got); diff != "" {
		t.Errorf("receipt and confirmation (-confirmed +shown):\n%s", diff)
	}
	want := transfer.View{
		TransferID: got.TransferID, Status: "posted", Amount: 12_34, PayeeNameMasked: "*四",
		PayerAccountMasked: "622848*********0001", PayeeAccountMasked: "622848*********0002",
		Memo: "电话138****5838", PostedAt: bank.Start.In(clock.Shanghai),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
}

// Neither a stranger nor the payee learns that the payer's transfer exists.
func TestTransfersOfOthersAndNone(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	li, zhao := w.Device(t, "phone-of-li"), w.Device(t, "phone-of-zhao")
	li.LoginAs(t, w.payee)
	zhao.LoginAs(t, w.Customer(t, "赵六", 0))
	traces := regexp.MustCompile(`"trace":"[0-9a-f]{32}"`)
	none := show(t, zhao, uuid.New())
	none.Want(t, "OBJECT_NOT_FOUND")
	for name, got := range map[string]bank.Reply{
		"a stranger": show(t, zhao, w.paid.TransferID), "the payee": show(t, li, w.paid.TransferID),
		"nil": show(t, w.phone, uuid.Nil), "not a transfer": show(t, w.phone, w.payer.AccountIDs[0]),
	} {
		got.Want(t, "OBJECT_NOT_FOUND")
		if g, n := traces.ReplaceAll(got.Body, nil), traces.ReplaceAll(none.Body, nil); string(g) != string(n) {
			t.Errorf("%s got %s, no transfer gives %s", name, g, n)
		}
	}
	show(t, w.phone, w.paid.TransferID).Want(t, "")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	show(t, w.Device(t, "stranger"), w.paid.TransferID).Want(t, "SESSION_REQUIRED")
	for _, body := range []string{
		`{"transfer_id":"x"}`, `{"transfer_id":7}`, `[]`, `{"transfer_id":"` + w.paid.TransferID.String() + `","full":true}`,
	} {
		w.phone.Call(t, get.Function, "", json.RawMessage(body)).Want(t, "INPUT_INVALID")
	}
	down := bank.On(t, pgtest.Broken(t))
	d := down.Device(t, "phone-of-wang")
	if err := down.Host.Sessions.Start(t.Context(), d.Channel, w.payer.ID); err != nil {
		t.Fatal(err)
	}
	show(t, d, w.paid.TransferID).Want(t, "SERVICE_UNAVAILABLE")
}

// What was sealed for another transfer, or changed, is not shown.
func TestADetailOfAnotherRowIsNotShown(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	other := uuid.New()
	if _, err := w.Host.DB.Pool().Exec(t.Context(), `
INSERT INTO transfer (id, customer_id, intent_id, debit_id, credit_id, amount, detail_ct, posted_at)
SELECT $1, customer_id, $1, debit_id, credit_id, amount, detail_ct, posted_at FROM transfer`, other); err != nil {
		t.Fatal(err)
	}
	show(t, w.phone, other).Want(t, "INTERNAL_ERROR")
}
