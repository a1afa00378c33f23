package certapply_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	identitycertapply "github.com/tidebank/tidebank/functions/identity/certapply"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// maker is a maker of phones, who attests keys.
type maker struct {
	root        *sm.Authority
	below       *sm.Authority
	key         *sm.PrivateKey
	certificate *sm.Certificate
}

func newMaker(t *testing.T, now time.Time) maker {
	t.Helper()
	m := maker{}
	var err error
	m.root, err = sm.NewAuthority("Phones root", now.AddDate(-1, 0, 0), 10*365*24*time.Hour)
	check.Must(t, err)
	m.below, err = m.root.Subordinate("Phones", now.AddDate(-1, 0, 0), 5*365*24*time.Hour)
	check.Must(t, err)
	m.key, err = sm.GenerateKey()
	check.Must(t, err)
	subject, err := sm.Subject("phone", "batch 7")
	check.Must(t, err)
	der, err := sm.NewRequest(m.key, subject)
	check.Must(t, err)
	request, err := sm.ParseRequest(der)
	check.Must(t, err)
	issued, err := m.below.Issue(request, now.AddDate(0, -1, 0), 365*24*time.Hour)
	check.Must(t, err)
	m.certificate, err = sm.ParseCertificate(issued)
	check.Must(t, err)
	return m
}

func (m maker) attest(t *testing.T, intent uuid.UUID, deviceID string, key *sm.PrivateKey) []byte {
	t.Helper()
	public, err := key.Public().Marshal()
	check.Must(t, err)
	der, err := sm.NewSignedData(m.key, m.certificate, cert.AttestedText(intent, deviceID, public))
	check.Must(t, err)
	return der
}

// A phone shield is opened only with the word of a maker, whom the bank trusts, that this phone's
// trusted environment holds this key. A refused request uses nothing up.
func TestAPhoneShieldNeedsItsMakersWord(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-019.4")
	w := newFixture(t)
	w.Exec(t, "UPDATE device SET bound_at = bound_at - interval '2 days'")
	good, stranger := newMaker(t, w.Clock.Now()), newMaker(t, w.Clock.Now())
	w.Open(t, identitycertapply.Function, w.AuthorityConfig(t), cert.ShieldConfig{Roots: string(good.root.PEM())})
	prepare := func() (identitychangeprepare.Response, []stepup.Proof) {
		in := w.PrepareChange(t, stepup.ApplyShield)
		return in, []stepup.Proof{
			w.CodeFor(t, in.IntentID), w.Known(t), {Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)},
		}
	}
	in, proofs := prepare()
	csr, key := request(t, in.Subject)
	_, other := request(t, in.Subject)
	apply := func(attestation []byte, chain ...[]byte) bank.Reply {
		return w.Phone.Call(t, identitycertapply.Function, uuid.NewString(), identitycertapply.Request{
			Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: proofs}, CSR: csr,
			Attestation: attestation, AttestationChain: chain,
		})
	}
	right := good.attest(t, in.IntentID, w.Phone.ID, key)
	between := good.below.DER()
	bare, err := sm.NewSignedData(key, good.certificate, []byte("of the key itself"))
	check.Must(t, err)
	for name, attestation := range map[string][]byte{
		"none":                       nil,
		"of another key":             good.attest(t, in.IntentID, w.Phone.ID, other),
		"of another phone":           good.attest(t, in.IntentID, "pad", key),
		"of another application":     good.attest(t, uuid.New(), w.Phone.ID, key),
		"of a maker who is unknown":  stranger.attest(t, in.IntentID, w.Phone.ID, key),
		"changed":                    check.Flip(right, len(right)-1),
		"signed by the key itself":   bare,
		"with more after its end":    append(append([]byte{}, right...), 0),
		"that is only a certificate": good.certificate.DER(),
	} {
		if got := apply(attestation, between); got.Code != "CERT_REQUEST_REJECTED" {
			t.Errorf("an attestation %s: %d %q", name, got.Status, got.Code)
		}
	}
	apply(right).Want(t, "CERT_REQUEST_REJECTED") // no chain leads to it
	if n := w.certificates(t); n != 0 {
		t.Fatalf("%d certificates are issued", n)
	}
	apply(right, between).Want(t, "")
	if n := w.Count(t, "SELECT count(*) FROM certificate WHERE opened = 'shield' AND device_id = $1 AND attestation = $2",
		w.Phone.ID, right); n != 1 {
		t.Errorf("%d phone shields are stored", n)
	}
	w.Clock.Advance(time.Second)
	in, proofs = prepare()
	csr, key = request(t, in.Subject)
	late := good.attest(t, in.IntentID, w.Phone.ID, key)
	check.Must(t, w.Host.Sessions.Start(t.Context(), w.Phone.Channel, w.Payer.ID))
	apply(late, between).Want(t, "INTENT_EXPIRED") // another session
}

// Without roots of makers, the bank opens no phone shield; and a soft UKey needs no attestation.
func TestABankWithoutPhoneShields(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Exec(t, "UPDATE device SET bound_at = bound_at - interval '2 days'")
	m := newMaker(t, w.Clock.Now())
	in := w.PrepareChange(t, stepup.ApplyShield)
	csr, key := request(t, in.Subject)
	w.Phone.Call(t, identitycertapply.Function, uuid.NewString(), identitycertapply.Request{
		Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{
			w.CodeFor(t, in.IntentID), w.Known(t), {Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)},
		}}, CSR: csr, Attestation: m.attest(t, in.IntentID, w.Phone.ID, key), AttestationChain: [][]byte{m.below.DER()},
	}).Want(t, "CERT_REQUEST_REJECTED")
	w.Exec(t, "UPDATE device SET bound_at = $1", w.Clock.Now())
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.ApplyShield}).Want(t, "DEVICE_UNBOUND")
}
