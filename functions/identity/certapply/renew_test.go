package certapply_test

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
)

// A certificate is renewed by the signature of the one before it, and counts as opened where that was; nothing
// renews once it is revoked or has ended.
func TestACertificateIsRenewedByTheOneBefore(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	renew := func(by bank.UKey, as stepup.Factor) bank.Reply {
		in := w.PrepareChange(t, stepup.RenewCertificate)
		csr, _ := request(t, in.Subject)
		return w.apply(t, in.IntentID, csr, w.Known(t), by.Signed(t, as, in.Text))
	}
	opened := func(where cert.Opening) int {
		return w.Count(t, "SELECT count(*) FROM certificate WHERE customer_id = $1 AND opened = $2", w.Payer.ID, where)
	}
	counter, app := w.SoftUKey(t, w.Payer, cert.AtCounter), w.SoftUKey(t, w.Payer, cert.InApp)
	renew(counter, stepup.SoftUKeyCounter).Want(t, "")
	if n := opened(cert.AtCounter); n != 2 {
		t.Errorf("%d certificates are of the counter", n)
	}
	renew(app, stepup.SoftUKeyCounter).Want(t, "PROOF_REJECTED")
	renew(app, stepup.SoftUKey).Want(t, "")
	if n, m := opened(cert.InApp), opened(cert.AtCounter); n != 2 || m != 2 {
		t.Errorf("%d certificates are of the app, %d of the counter", n, m)
	}
	renew(w.SoftUKey(t, w.Payee, cert.AtCounter), stepup.SoftUKeyCounter).Want(t, "PROOF_REJECTED")
	in := w.PrepareChange(t, stepup.RenewCertificate)
	csr, _ := request(t, in.Subject)
	w.apply(t, in.IntentID, csr, w.Known(t), w.CodeFor(t, in.IntentID)).Want(t, "STEPUP_STRONGER")
	w.Exec(t, "UPDATE certificate SET revoked_at = $1 WHERE serial = $2", w.Clock.Now(), counter.Certificate.Serial())
	renew(counter, stepup.SoftUKeyCounter).Want(t, "PROOF_REJECTED")
	_, until := app.Certificate.Valid()
	w.Clock.Advance(until.Sub(w.Clock.Now()) + time.Second)
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	w.Relist(t)
	renew(app, stepup.SoftUKey).Want(t, "PROOF_REJECTED")
}
