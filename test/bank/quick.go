package bank

import (
	"testing"

	"github.com/google/uuid"

	identitygestureset "github.com/tidebank/tidebank/functions/identity/gestureset"
	identityquickchallenge "github.com/tidebank/tidebank/functions/identity/quickchallenge"
	identityquicklogin "github.com/tidebank/tidebank/functions/identity/quicklogin"
	identityunlockkeyset "github.com/tidebank/tidebank/functions/identity/unlockkeyset"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
)

// Gesture is a good gesture.
const Gesture = "147852369"

// QuickProofs prepares a way of quick login, and proves it by a known password, a code and a
// signature.
func (p Pair) QuickProofs(t testing.TB, what stepup.Change) stepup.Confirmation {
	t.Helper()
	in, known := p.PrepareChange(t, what), p.KnownLogin(t, LoginPassword)
	if what != stepup.SetGesture {
		known = p.Known(t)
	}
	signed := stepup.Proof{Factor: stepup.DeviceKey, Signature: p.Phone.Sign(t, in.Text)}
	return stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{known, p.CodeFor(t, in.IntentID), signed}}
}

// UnbindMeanwhile makes the database unbind all devices while an intent is confirmed, as a concurrent
// call may.
func (b *Bank) UnbindMeanwhile(t testing.TB) {
	t.Helper()
	b.Exec(t, `
CREATE FUNCTION unbind() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM device; RETURN NULL; END $$;
CREATE TRIGGER intent_unbind AFTER UPDATE ON intent FOR EACH ROW EXECUTE FUNCTION unbind()`)
}

// SetGesture sets the payer's gesture on the phone.
func (p Pair) SetGesture(t testing.TB, gesture string) Reply {
	t.Helper()
	return p.Phone.Call(t, identitygestureset.Function, uuid.NewString(), identitygestureset.Request{
		Confirmation: p.QuickProofs(t, stepup.SetGesture), Gesture: p.Phone.Password(t, gesture),
	})
}

// KeepGesture stores Gesture for the customer's bound device, without calling identity-gesture-set.
func (d *Device) KeepGesture(t testing.TB, c seed.Customer) {
	t.Helper()
	turn, err := d.bank.Passwords().Begin(t.Context())
	check.Must(t, err)
	defer turn.End()
	text, err := turn.Hash(password.OfGesture(c.ID, d.ID), []byte(Gesture))
	check.Must(t, err)
	d.bank.Exec(t, "UPDATE device SET gesture = $3, gesture_failures = 0 WHERE customer_id = $1 AND device_id = $2", c.ID, d.ID, text)
}

// SetUnlockKey registers a new key that the payer's finger or face unlocks on the phone.
func (p Pair) SetUnlockKey(t testing.TB, by device.Method) *sm.PrivateKey {
	t.Helper()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	what := stepup.SetFingerprint
	if by == device.ByFace {
		what = stepup.SetFace
	}
	public, signature := p.Phone.Unlock(t, key, by)
	p.Phone.Call(t, identityunlockkeyset.Function, uuid.NewString(), identityunlockkeyset.Request{
		Confirmation: p.QuickProofs(t, what), PublicKey: public, Signature: signature,
	}).Want(t, "")
	return key
}

// Unlock is the public part of a key that finger or face unlocks, and its signature that
// registers it.
func (d *Device) Unlock(t testing.TB, key *sm.PrivateKey, by device.Method) (public, signature []byte) {
	t.Helper()
	public, err := key.Public().Marshal()
	check.Must(t, err)
	signature, err = sm.Sign(key, device.UnlockText(d.Channel, d.ID, by, public))
	check.Must(t, err)
	return public, signature
}

// Challenge asks for the challenge of a quick login.
func (d *Device) Challenge(t testing.TB) []byte {
	t.Helper()
	var told identityquickchallenge.Response
	d.Call(t, identityquickchallenge.Function, "", struct{}{}).Into(t, &told)
	return told.Challenge
}

// QuickLogin is a request for a quick login that answers a challenge, by Gesture or, if there
// is a key, by the method that unlocks the key. It reports a clean environment.
func (d *Device) QuickLogin(
	t testing.TB, c seed.Customer, challenge []byte, by device.Method, key *sm.PrivateKey,
) identityquicklogin.Request {
	t.Helper()
	clean := d.Report(t)
	r := identityquicklogin.Request{
		Phone: c.Phone, Method: by, Challenge: challenge, DevicePublicKey: d.PublicKey(t), Environment: &clean,
	}
	text := device.QuickText(d.Channel, d.Origin(t), challenge, by)
	r.DeviceSignature = d.Sign(t, string(text))
	if by == device.ByGesture {
		r.Gesture = d.Password(t, Gesture)
		return r
	}
	var err error
	r.Assertion, err = sm.Sign(key, text)
	check.Must(t, err)
	return r
}
