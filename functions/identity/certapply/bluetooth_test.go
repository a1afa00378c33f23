package certapply_test

import (
	"testing"

	"github.com/google/uuid"

	identitycertapply "github.com/tidebank/tidebank/functions/identity/certapply"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// A Bluetooth Key is opened by the customer to whom the bank has handed it out, with the word of its maker, and
// once. A refused request uses nothing up.
func TestABluetoothKeyIsOpenedByItsCustomer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, "UPDATE device SET bound_at = bound_at - interval '2 days'")
	phones, good := newMaker(t, w.Clock.Now()), newMaker(t, w.Clock.Now())
	w.Open(t, identitycertapply.Function, w.AuthorityConfig(t), cert.MakersConfig{
		Shields: string(phones.root.PEM()), BluetoothKeys: string(good.root.PEM()),
	})
	w.HandOutKey(t, w.Payer, "BK1")
	w.HandOutKey(t, w.Payer, "BK2")
	w.HandOutKey(t, w.Payee, "BK3")
	prepare := func() (identitychangeprepare.Response, []stepup.Proof) {
		in := w.PrepareChange(t, stepup.OpenBluetoothKey)
		return in, []stepup.Proof{
			w.CodeFor(t, in.IntentID), w.Known(t), {Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)},
		}
	}
	in, proofs := prepare()
	csr, key := request(t, in.Subject)
	apply := func(by maker, serial, attested string) bank.Reply {
		public, err := key.Public().Marshal()
		check.Must(t, err)
		word, err := sm.NewSignedData(by.key, by.certificate, cert.AttestedByKey(in.IntentID, attested, public))
		check.Must(t, err)
		return w.Phone.Call(t, identitycertapply.Function, uuid.NewString(), identitycertapply.Request{
			Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: proofs}, CSR: csr,
			KeySerial: serial, Attestation: word, AttestationChain: [][]byte{by.below.DER()},
		})
	}
	for name, got := range map[string]bank.Reply{
		"another customer's key":            apply(good, "BK3", "BK3"),
		"a key that was not handed out":     apply(good, "BK4", "BK4"),
		"the word for another key":          apply(good, "BK1", "BK2"),
		"the word of a maker of phones":     apply(phones, "BK1", "BK1"),
		"no serial number":                  apply(good, "", ""),
		"the serial number in another case": apply(good, "bk1", "bk1"),
	} {
		if got.Code != "CERT_REQUEST_REJECTED" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	bare := w.Phone.Call(t, identitycertapply.Function, uuid.NewString(), identitycertapply.Request{
		Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: proofs}, CSR: csr, KeySerial: "BK1",
	})
	bare.Want(t, "CERT_REQUEST_REJECTED")
	if n := w.certificates(t); n != 0 {
		t.Fatalf("%d certificates are issued", n)
	}
	apply(good, "BK1", "BK1").Want(t, "")
	if n := w.Count(t, `SELECT count(*) FROM certificate WHERE opened = 'bluetooth' AND key_serial = 'BK1' AND device_id IS NULL`); n != 1 {
		t.Errorf("%d Bluetooth Keys are opened", n)
	}
	w.Relist(t)
	payment := w.Prepare(t, w.ToPayee(1_00))
	der, err := sm.NewSignedData(key, certificateOf(t, w), []byte(payment.Text))
	check.Must(t, err)
	w.Confirm(t, stepup.Confirmation{IntentID: payment.IntentID, Proofs: []stepup.Proof{
		w.Signed(t, payment), {Factor: stepup.BluetoothKey, SignedData: der},
	}}).Want(t, "")

	w.Advance(61e9) // another code
	in, proofs = prepare()
	csr, key = request(t, in.Subject)
	apply(good, "BK1", "BK1").Want(t, "CERT_REQUEST_REJECTED") // it has a certificate
	apply(good, "BK2", "BK2").Want(t, "")
}

// certificateOf is the one certificate that the bank holds.
func certificateOf(t *testing.T, w fixture) *sm.Certificate {
	t.Helper()
	c, err := sm.ParseCertificate(check.Value[[]byte](t, w.Host.DB.Pool(), "SELECT der FROM certificate"))
	check.Must(t, err)
	return c
}
