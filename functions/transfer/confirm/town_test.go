package confirm_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
)

// town is a bank with a payer, logged in on a phone, and a payee.
type town struct {
	*bank.Bank
	phone        *bank.Device
	payer, payee seed.Customer
}

func newTown(t *testing.T, balance money.Fen) town {
	t.Helper()
	return townOn(t, bank.New(t), balance)
}

func townOn(t *testing.T, b *bank.Bank, balance money.Fen) town {
	t.Helper()
	w := town{Bank: b, phone: b.Device(t, "phone-of-wang")}
	w.payer = b.Customer(t, "王小明", balance, 0)
	w.payee = b.Customer(t, "李四", 0)
	w.phone.LoginAs(t, w.payer)
	return w
}

func (w town) prepare(t *testing.T, amount money.Fen) prepare.Response {
	t.Helper()
	var intent prepare.Response
	w.phone.Call(t, prepare.Function, "", w.request(amount)).Into(t, &intent)
	return intent
}

// prepareOwn prepares a transfer to the payer's other account.
func (w town) prepareOwn(t *testing.T, amount money.Fen) prepare.Response {
	t.Helper()
	var intent prepare.Response
	w.phone.Call(t, prepare.Function, "", w.ownRequest(amount)).Into(t, &intent)
	return intent
}

func (w town) ownRequest(amount money.Fen) map[string]any {
	return map[string]any{
		"debit_account_id": w.payer.AccountIDs[0], "payee_account_id": w.payer.AccountIDs[1], "amount_fen": amount,
	}
}

func (w town) request(amount money.Fen) map[string]any {
	return map[string]any{
		"debit_account_id": w.payer.AccountIDs[0], "payee_account_no": w.payee.Accounts[0].No,
		"payee_name": w.payee.Name, "amount_fen": amount, "memo": "房租",
	}
}

// otp issues a code for an intent as otp-send does, and returns it.
func (w town) otp(t *testing.T, intent prepare.Response) string {
	t.Helper()
	subject, phone := stepup.Subject(intent.IntentID), uuid.New() // another number each time, so that no quota counts
	var unit pg.Unit
	otp.Issue(&unit, otp.Challenge{
		Subject: subject, Purpose: otp.Intent, Phone: phone[:], CustomerID: &w.payer.ID, DeviceID: w.phone.ID,
		Binding: intent.Digest,
	}, w.Clock.Now())
	if err := w.Host.DB.Commit(t.Context(), &unit); err != nil {
		t.Fatal(err)
	}
	return otptest.Code(t, w.Bank, subject)
}

func (w town) sign(t *testing.T, text string) []byte {
	t.Helper()
	signature, err := sm.Sign(w.phone.Key, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func presentation(id uuid.UUID, proofs ...stepup.Proof) stepup.Confirmation {
	return stepup.Confirmation{IntentID: id, Proofs: proofs}
}

// proofs are a right code and a right signature.
func (w town) proofs(t *testing.T, intent prepare.Response) stepup.Confirmation {
	t.Helper()
	return presentation(intent.IntentID,
		stepup.Proof{Factor: stepup.SMSOTP, Code: w.otp(t, intent)},
		stepup.Proof{Factor: stepup.DeviceKey, Signature: w.sign(t, intent.Text)})
}

func (w town) balance(t *testing.T, account uuid.UUID) money.Fen {
	t.Helper()
	var balance money.Fen
	err := w.Host.DB.Pool().QueryRow(t.Context(), "SELECT balance FROM account WHERE id = $1", account).Scan(&balance)
	if err != nil {
		t.Fatal(err)
	}
	return balance
}

func (w town) sound(t *testing.T) {
	t.Helper()
	report, err := ledger.Verify(context.Background(), w.Host.DB, func(id string, sum []byte, parts ...[]byte) error {
		return w.Host.Keys.VerifyMAC(keys.Ledger, id, sum, parts...)
	})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Sound() {
		t.Fatalf("the ledger is not sound: %+v", report)
	}
}
