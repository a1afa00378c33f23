package certresume_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	identitycertresume "github.com/tidebank/tidebank/functions/identity/certresume"
	identitycertrevoke "github.com/tidebank/tidebank/functions/identity/certrevoke"
	identitycertsuspend "github.com/tidebank/tidebank/functions/identity/certsuspend"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
)

// Suspended certificates confirm nothing, not a prepared transfer either, and are not asked for. Two factors resume
// them, of which none is a certificate; one is not enough. Others' certificates and a revoked one are not touched.
func TestSuspendedCertificatesConfirmNothing(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 900_000_00)
	suspend := func() bank.Reply {
		return w.Phone.Call(t, identitycertsuspend.Function, uuid.NewString(), struct{}{})
	}
	resume := func(proofs ...stepup.Proof) bank.Reply {
		in := w.PrepareChange(t, stepup.ResumeCertificates)
		proofs = append(slices.Clone(proofs), stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)})
		return w.Phone.Call(t, identitycertresume.Function, uuid.NewString(), identitycertresume.Request{
			Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: proofs},
		})
	}
	suspend().Want(t, "OBJECT_NOT_FOUND")
	resume(w.Known(t)).Want(t, "OBJECT_NOT_FOUND")
	app, key := w.SoftUKey(t, w.Payer, cert.InApp), w.BluetoothKey(t, w.Payer)
	w.SoftUKey(t, w.Payee, cert.InApp)
	in := w.Prepare(t, w.ToPayee(1_00))
	signed := func(by bank.UKey, as stepup.Factor) bank.Reply {
		return w.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{w.Known(t), by.Signed(t, as, in.Text)}})
	}
	suspend().Want(t, "")
	suspend().Want(t, "OBJECT_NOT_FOUND") // all are suspended
	signed(app, stepup.SoftUKey).Want(t, "PROOF_REJECTED")
	signed(key, stepup.BluetoothKey).Want(t, "PROOF_REJECTED")
	if offered := w.Prepare(t, w.ToPayee(1_00)).Combinations; slices.Contains(offered, "trade_password+soft_ukey") {
		t.Errorf("offered %q", offered)
	}
	w.Relist(t) // the authority's list changes nothing
	if n := w.Count(t, "SELECT count(*) FROM certificate WHERE suspended_at IS NOT NULL"); n != 2 {
		t.Errorf("%d certificates are suspended", n)
	}
	resume().Want(t, "STEPUP_STRONGER")
	signed(app, stepup.SoftUKey).Want(t, "PROOF_REJECTED")
	resume(w.Known(t)).Want(t, "")
	signed(app, stepup.SoftUKey).Want(t, "")

	suspend().Want(t, "")
	w.Phone.Call(t, identitycertrevoke.Function, uuid.NewString(), struct{}{}).Want(t, "")
	resume(w.Known(t)).Want(t, "OBJECT_NOT_FOUND")
	in = w.Prepare(t, w.ToPayee(1_00))
	signed(key, stepup.BluetoothKey).Want(t, "PROOF_REJECTED")
}
