package certrevoke_test

import (
	"testing"

	"github.com/google/uuid"

	identitycertrevoke "github.com/tidebank/tidebank/functions/identity/certrevoke"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

// Certificates that the customer has revoked confirm nothing any more, not a prepared transfer
// either, also while the authority can't be told. Others' certificates go on, and the customer
// goes on by other proofs and by a new certificate.
func TestRevokedCertificatesConfirmNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-002.2")
	w := bank.NewPair(t, 900_000_00)
	again := uuid.NewString()
	revoke := func() bank.Reply {
		return w.Phone.Call(t, identitycertrevoke.Function, again, struct{}{})
	}
	revoke().Want(t, "OBJECT_NOT_FOUND")
	signed := func(in transferprepare.Response, by bank.UKey, as stepup.Factor) bank.Reply {
		return w.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{w.Known(t), by.Signed(t, as, in.Text)}})
	}
	app, counter := w.SoftUKey(t, w.Payer, cert.InApp), w.SoftUKey(t, w.Payer, cert.AtCounter)
	w.SoftUKey(t, w.Payee, cert.InApp)
	in, large := w.Prepare(t, w.ToPayee(1_00)), w.Prepare(t, w.ToPayee(50_000_01))
	w.Authority(t).SetFaults(casim.Faults{Down: true})
	var reply identitycertrevoke.Response
	if revoke().Into(t, &reply); !reply.Revoked {
		t.Errorf("the reply is %+v", reply)
	}
	signed(in, app, stepup.SoftUKey).Want(t, "PROOF_REJECTED")
	signed(large, counter, stepup.SoftUKeyCounter).Want(t, "PROOF_REJECTED")
	if err := w.TryRelist(t); err == nil || w.Authority(t).Revoked(app.Certificate.Serial()) {
		t.Errorf("the authority is down: %v", err)
	}
	w.Authority(t).SetFaults(casim.Faults{})
	w.Relist(t) // it tells the authority
	w.Relist(t) // and then a list names them
	for _, key := range []bank.UKey{app, counter} {
		if !w.Authority(t).Revoked(key.Certificate.Serial()) {
			t.Error("the authority was not told")
		}
	}
	if n := w.Count(t, "SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL AND listed"); n != 2 {
		t.Errorf("%d certificates are revoked and listed", n)
	}
	again = uuid.NewString()
	revoke().Want(t, "OBJECT_NOT_FOUND")
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(50_000_01)).Want(t, "STEPUP_STRONGER")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(1_00)))).Want(t, "")
	next := w.SoftUKey(t, w.Payer, cert.InApp)
	signed(w.Prepare(t, w.ToPayee(1_00)), next, stepup.SoftUKey).Want(t, "")
}
