package certapply_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	identitycertapply "github.com/tidebank/tidebank/functions/identity/certapply"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct{ bank.Pair }

// withoutKey is the combination for a device whose key is not bound or is of today.
const withoutKey = "login_password+sms_otp+trade_password"

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, 1_000_00)}
}

// prepare prepares an application, and proves it.
func (w fixture) prepare(t *testing.T) (identitychangeprepare.Response, []stepup.Proof) {
	t.Helper()
	in := w.PrepareChange(t, stepup.ApplyCertificate)
	return in, []stepup.Proof{
		w.CodeFor(t, in.IntentID), w.Known(t), {Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)},
	}
}

func (w fixture) apply(t *testing.T, intent uuid.UUID, csr []byte, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitycertapply.Function, uuid.NewString(), identitycertapply.Request{
		Confirmation: stepup.Confirmation{IntentID: intent, Proofs: proofs}, CSR: csr,
	})
}

func (w fixture) certificates(t *testing.T) int {
	t.Helper()
	return w.Count(t, "SELECT count(*) FROM certificate")
}

// request is a signing request for a subject, and its key.
func request(t *testing.T, subject []byte) (csr []byte, key *sm.PrivateKey) {
	t.Helper()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	csr, err = sm.NewRequest(key, subject)
	check.Must(t, err)
	return csr, key
}

// A customer gets a certificate for the key of the request; the bank keeps it and its chain.
func TestACustomerGetsACertificate(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in, proofs := w.prepare(t)
	want := []string{"sms_otp+device_key+trade_password", withoutKey}
	if diff := cmp.Diff(want, in.Combinations); diff != "" {
		t.Errorf("combinations (-want +got):\n%s", diff)
	}
	if in.Function != "identity-cert-apply" || !bytes.Contains([]byte(in.Text), []byte("办理事项：申请数字证书")) {
		t.Errorf("%+v", in)
	}
	csr, key := request(t, in.Subject)
	var reply identitycertapply.Response
	w.apply(t, in.IntentID, csr, proofs...).Into(t, &reply)
	got, err := sm.ParseCertificate(reply.Certificate)
	check.Must(t, err)
	if !got.Key().Equal(key.Public()) || !bytes.Equal(got.Subject(), in.Subject) || len(reply.Chain) != 1 {
		t.Errorf("the certificate is for %x, with %d authorities", got.Subject(), len(reply.Chain))
	}
	stored := check.Value[[]byte](t, w.Host.DB.Pool(), "SELECT der FROM certificate WHERE customer_id = $1 AND serial = $2 AND id = $3",
		w.Payer.ID, got.Serial(), in.IntentID)
	if !bytes.Equal(stored, reply.Certificate) {
		t.Error("the bank keeps another certificate")
	}
	if want := w.Clock.Now().Add(casim.Life - time.Minute); !reply.ValidUntil.Equal(want) {
		t.Errorf("valid until %v, want %v", reply.ValidUntil, want)
	}
}

// A request is refused whose key is no point of the curve, that another key has signed, or
// that has another subject. Nothing is used up: the right request passes afterwards.
func TestBadRequestsAreRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-022.1")
	w := newFixture(t)
	in, proofs := w.prepare(t)
	good, key := request(t, in.Subject)
	public, err := key.Public().Marshal()
	check.Must(t, err)
	last := bytes.Index(good, public) + len(public) - 1
	other := w.PrepareChange(t, stepup.ApplyCertificate)
	ofOther, _ := request(t, other.Subject)
	named, err := sm.Subject(w.Payee.ID.String(), in.IntentID.String())
	check.Must(t, err)
	ofPayee, _ := request(t, named)
	for name, csr := range map[string][]byte{
		"a point beside the curve": check.Flip(good, last), "a wrong signature": check.Flip(good, len(good)-1),
		"a changed subject":               check.Flip(good, bytes.Index(good, []byte(in.IntentID.String()))),
		"the subject of another intent":   ofOther,
		"the subject of another customer": ofPayee, "no request": public,
	} {
		if got := w.apply(t, in.IntentID, csr, proofs...); got.Code != "CERT_REQUEST_REJECTED" || got.Status != 422 {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	if n := w.certificates(t); n != 0 {
		t.Fatalf("%d certificates are issued", n)
	}
	w.apply(t, in.IntentID, good, proofs...).Want(t, "")
}

// Only the session that asked for the certificate brings the request: not another customer or
// device, not a caller who is not logged in, and not the customer's next session on the same
// device.
func TestOnlyTheSessionThatAskedBringsTheRequest(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-022.2")
	w := newFixture(t)
	in, proofs := w.prepare(t)
	csr, _ := request(t, in.Subject)
	send := func(d *bank.Device) bank.Reply {
		return d.Call(t, identitycertapply.Function, uuid.NewString(), identitycertapply.Request{
			Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: proofs}, CSR: csr,
		})
	}
	strangers, tablet := w.Device(t, "phone-of-li"), w.Device(t, "tablet-of-wang")
	send(strangers).Want(t, "SESSION_REQUIRED")
	strangers.LoginAs(t, w.Payee)
	send(strangers).Want(t, "OBJECT_NOT_FOUND")
	tablet.LoginAs(t, w.Payer)
	send(tablet).Want(t, "OBJECT_NOT_FOUND")
	send(w.Phone).Want(t, "SESSION_DISPLACED")
	check.Must(t, w.Host.Sessions.Start(t.Context(), w.Phone.Channel, w.Payer.ID))
	send(w.Phone).Want(t, "INTENT_EXPIRED")
	again := w.Device(t, w.Phone.ID)
	again.Key = w.Phone.Key
	again.LoginAs(t, w.Payer)
	proofs[1].Password = again.Password(t, bank.TradePassword)
	send(again).Want(t, "INTENT_EXPIRED")
	if n := w.certificates(t); n != 0 {
		t.Fatalf("%d certificates are issued", n)
	}
	w.Phone = again
	in, proofs = w.prepare(t)
	csr, _ = request(t, in.Subject)
	send(again).Want(t, "")
}

// A request is accepted once: neither for its own intent again, nor by another request for
// this intent, nor its key for another intent; and of requests at once one is accepted.
func TestARequestIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-022.3")
	w := newFixture(t)
	in, proofs := w.prepare(t)
	csr, key := request(t, in.Subject)
	replies := check.AtOnce(4, func(int) bank.Reply { return w.apply(t, in.IntentID, csr, proofs...) })
	won := 0
	for _, r := range replies {
		switch r.Code {
		case "":
			won++
		case "INTENT_USED", "REQUEST_IN_PROGRESS", "TRADE_PASSWORD_LOCKED": // the last, if the intent is used while the call begins
		default:
			t.Errorf("at once: %d %q", r.Status, r.Code)
		}
	}
	if won != 1 || w.certificates(t) != 1 {
		t.Fatalf("%d of four are accepted, %d certificates are kept", won, w.certificates(t))
	}
	w.apply(t, in.IntentID, csr, proofs...).Want(t, "INTENT_USED")
	another, _ := request(t, in.Subject)
	w.apply(t, in.IntentID, another, proofs...).Want(t, "INTENT_USED")

	next, proofs := w.prepare(t)
	w.apply(t, next.IntentID, csr, proofs...).Want(t, "CERT_REQUEST_REJECTED")
	sameKey, err := sm.NewRequest(key, next.Subject)
	check.Must(t, err)
	w.apply(t, next.IntentID, sameKey, proofs...).Want(t, "CERT_REQUEST_REJECTED")
	if n := w.certificates(t); n != 1 {
		t.Errorf("%d certificates are kept", n)
	}
}

// An authority that does not answer uses nothing up, and a later try gets the certificate.
func TestAnAuthorityThatIsDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in, proofs := w.prepare(t)
	csr, _ := request(t, in.Subject)
	for _, faults := range []casim.Faults{{Down: true}, {SwallowAnswer: 1}} {
		w.Authority(t).SetFaults(faults)
		if got := w.apply(t, in.IntentID, csr, proofs...); got.Code != "SERVICE_UNAVAILABLE" {
			t.Errorf("%+v: %d %q", faults, got.Status, got.Code)
		}
	}
	another, _ := request(t, in.Subject) // the authority has issued for the first
	w.apply(t, in.IntentID, another, proofs...).Want(t, "CERT_REQUEST_REJECTED")
	w.apply(t, in.IntentID, csr, proofs...).Want(t, "")
	if n := w.certificates(t); n != 1 {
		t.Errorf("%d certificates are kept", n)
	}
}

// One or two factors get no certificate.
func TestAnApplicationNeedsThreeFactors(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in, proofs := w.prepare(t)
	csr, _ := request(t, in.Subject)
	for _, some := range [][]stepup.Proof{{}, proofs[:1], proofs[:2], proofs[1:], {proofs[0], proofs[2]}} {
		w.apply(t, in.IntentID, csr, some...).Want(t, "STEPUP_STRONGER")
	}
	w.Exec(t, "UPDATE device SET bound_at = $1", w.Clock.Now())
	if diff := cmp.Diff([]string{withoutKey}, w.PrepareChange(t, stepup.ApplyCertificate).Combinations); diff != "" {
		t.Errorf("with a key of today (-want +got):\n%s", diff)
	}
}
