package bank

import (
	"testing"

	"github.com/google/uuid"

	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/option"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// Pair is a bank with two customers of two accounts each. The payer, 王小明, is
// logged in on a phone. The payee, 李四, has no money and has not signed up.
type Pair struct {
	*Bank
	Phone        *Device // the payer's phone
	Payer, Payee seed.Customer
}

// NewPair opens a bank with a pair. The payer's first account has the balance; the
// other accounts have nothing.
func NewPair(t testing.TB, balance money.Fen) Pair {
	t.Helper()
	return PairOn(t, New(t), balance)
}

// PairOn is NewPair on an existing bank.
func PairOn(t testing.TB, b *Bank, balance money.Fen) Pair {
	t.Helper()
	p := Pair{Bank: b, Phone: b.Device(t, "phone-of-wang")}
	p.Payer, p.Payee = b.Customer(t, "王小明", balance, 0), b.Customer(t, "李四", 0, 0)
	p.Phone.LoginAs(t, p.Payer)
	return p
}

// ToPayee is a request to prepare a transfer to the payee's first account.
func (p Pair) ToPayee(amount money.Fen) map[string]any {
	return map[string]any{
		"debit_account_id": p.Payer.AccountIDs[0], "payee_account_no": p.Payee.Accounts[0].No,
		"payee_name": p.Payee.Name, "amount_fen": amount,
	}
}

// ToOwn is a request to prepare a transfer to the payer's second account.
func (p Pair) ToOwn(amount money.Fen) map[string]any {
	return map[string]any{
		"debit_account_id": p.Payer.AccountIDs[0], "payee_account_id": p.Payer.AccountIDs[1], "amount_fen": amount,
	}
}

// Prepare prepares a transfer. A refusal fails the test.
func (p Pair) Prepare(t testing.TB, request map[string]any) (in transferprepare.Response) {
	t.Helper()
	p.Phone.Call(t, transferprepare.Function, "", request).Into(t, &in)
	return in
}

// Signed returns the proof by the key of the payer's phone.
func (p Pair) Signed(t testing.TB, in transferprepare.Response) stepup.Proof {
	t.Helper()
	return stepup.Proof{Factor: stepup.DeviceKey, Signature: p.Phone.Sign(t, in.Text)}
}

// Known is a proof by the payer's trade password.
func (p Pair) Known(t testing.TB) stepup.Proof {
	t.Helper()
	return stepup.Proof{Factor: stepup.TradePassword, Password: p.Phone.Password(t, TradePassword)}
}

// Proved confirms an intent by signature and trade password: two kinds of factor.
func (p Pair) Proved(t testing.TB, in transferprepare.Response) stepup.Confirmation {
	t.Helper()
	return stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{p.Signed(t, in), p.Known(t)}}
}

// PrepareChange prepares a change of the payer's own data. A refusal fails the test.
func (p Pair) PrepareChange(t testing.TB, what stepup.Change) (in identitychangeprepare.Response) {
	t.Helper()
	p.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": what}).Into(t, &in)
	return in
}

// CodeFor asks for an intent's code, whenever the last one was sent, and reads it as the payer would.
func (p Pair) CodeFor(t testing.TB, intent uuid.UUID) stepup.Proof {
	t.Helper()
	p.Exec(t, "DELETE FROM otp_quota")
	p.Phone.Call(t, otpsend.Function, "", map[string]any{"purpose": otp.Intent, "intent_id": intent}).Want(t, "")
	var issued otp.Issued
	check.Must(t, issued.Scan(p.Host.DB.Pool().QueryRow(t.Context(), otp.LoadSQL, stepup.Subject(intent))))
	return stepup.Proof{Factor: stepup.SMSOTP, Code: issued.Code(p.Host.Keys)}
}

// KnownLogin is a proof by a login password.
func (p Pair) KnownLogin(t testing.TB, clear string) stepup.Proof {
	t.Helper()
	return stepup.Proof{Factor: stepup.LoginPassword, Password: p.Phone.Password(t, clear)}
}

// AllowLarge switches the payer's option for large transfers on.
func (p Pair) AllowLarge(t testing.TB) {
	t.Helper()
	large, _ := option.Find(option.LargeTransfer)
	pgtest.Commit(t, p.Host.DB, func(u *pg.Unit) error {
		return option.SwitchOption(u, option.Change{Customer: p.Payer.ID, Option: large, On: true, DeviceID: p.Phone.ID, At: p.Clock.Now()})
	})
}

// Confirm carries out an intent under a fresh key.
func (p Pair) Confirm(t testing.TB, c stepup.Confirmation) Reply {
	t.Helper()
	return p.Phone.Call(t, transferconfirm.Function, uuid.NewString(), c)
}
