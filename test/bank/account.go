package bank

import (
	"testing"

	"github.com/google/uuid"

	accountchangeprepare "github.com/tidebank/tidebank/functions/account/changeprepare"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/stepup"
)

// PrepareAccount prepares a change of the payer's accounts or limits. A refusal fails the test.
func (p Pair) PrepareAccount(t testing.TB, request map[string]any) (in accountchangeprepare.Response) {
	t.Helper()
	p.Phone.Call(t, accountchangeprepare.Function, "", request).Into(t, &in)
	return in
}

// Limits is a request to prepare a limit of the payer's own.
func Limits(method string, perTransfer, perDay int64) map[string]any {
	return map[string]any{"change": "limit", "method": method, "per_transfer_fen": perTransfer, "per_day_fen": perDay}
}

// SignedText is the proof by the signature of the phone's key over an intent's text.
func (d *Device) SignedText(t testing.TB, text string) stepup.Proof {
	t.Helper()
	return stepup.Proof{Factor: stepup.DeviceKey, Signature: d.Sign(t, text)}
}

// ConfirmBy calls the function that confirms an intent under a fresh key.
func (d *Device) ConfirmBy(t testing.TB, f fn.Function, intent uuid.UUID, proofs ...stepup.Proof) Reply {
	t.Helper()
	return d.Call(t, f, uuid.NewString(), stepup.Confirmation{IntentID: intent, Proofs: append([]stepup.Proof{}, proofs...)}) // never null
}
