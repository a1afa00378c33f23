package certapply_test

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
)

// A certificate is renewed by the signature of the one before it beside a code and the trade password, in its last 90 days,
// and counts as opened where that was; nothing renews once it is revoked or has ended.
func TestACertificateIsRenewedByTheOneBefore(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	ends := func(of bank.UKey, after time.Duration) {
		w.Exec(t, "UPDATE certificate SET valid_until = $1 WHERE serial = $2", w.Clock.Now().Add(after), of.Certificate.Serial())
	}
	renew := func(by bank.UKey, as stepup.Factor) bank.Reply {
		w.Clock.Advance(61 * time.Second) // another code
		in := w.PrepareChange(t, stepup.RenewCertificate)
		csr, _ := request(t, in.Subject)
		return w.apply(t, in.IntentID, csr, w.CodeFor(t, in.IntentID), w.Known(t), by.Signed(t, as, in.Text))
	}
	opened := func(where cert.Opening) int {
		return w.Count(t, "SELECT count(*) FROM certificate WHERE customer_id = $1 AND opened = $2", w.Payer.ID, where)
	}
	counter, app := w.SoftUKey(t, w.Payer, cert.AtCounter), w.SoftUKey(t, w.Payer, cert.InApp)
	ends(counter, cert.RenewalTime+62*time.Second) // a second more when it is renewed
	renew(counter, stepup.SoftUKeyCounter).Want(t, "CERT_RENEWAL_EARLY")
	ends(counter, cert.RenewalTime+61*time.Second)
	ends(app, time.Hour)
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
	w.Clock.Advance(61 * time.Second)
	in := w.PrepareChange(t, stepup.RenewCertificate)
	csr, _ := request(t, in.Subject)
	w.apply(t, in.IntentID, csr, w.Known(t), w.CodeFor(t, in.IntentID)).Want(t, "STEPUP_STRONGER")
	w.apply(t, in.IntentID, csr, w.Known(t), app.Signed(t, stepup.SoftUKey, in.Text)).Want(t, "STEPUP_STRONGER")
	w.Exec(t, "UPDATE certificate SET revoked_at = $1 WHERE serial = $2", w.Clock.Now(), counter.Certificate.Serial())
	renew(counter, stepup.SoftUKeyCounter).Want(t, "PROOF_REJECTED")
	_, until := app.Certificate.Valid()
	w.Clock.Advance(until.Sub(w.Clock.Now()) + time.Second)
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	w.Relist(t)
	renew(app, stepup.SoftUKey).Want(t, "PROOF_REJECTED")
}
