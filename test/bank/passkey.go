package bank

import (
	"testing"

	"github.com/google/uuid"

	identitypasskeyset "github.com/tidebank/tidebank/functions/identity/passkeyset"
	identitypinset "github.com/tidebank/tidebank/functions/identity/pinset"
	identityquicklogin "github.com/tidebank/tidebank/functions/identity/quicklogin"
	"github.com/tidebank/tidebank/localstack/passkeysim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/passkey"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
)

// Site is the web site of the bank of tests.
var Site = passkey.Config{RPID: "bank.example", Origins: "https://m.bank.example"}

// PIN is a good PIN.
const PIN = "528301"

// Authenticator is a new authenticator of a browser that shows the bank's site.
func Authenticator(t testing.TB) *passkeysim.Authenticator {
	t.Helper()
	a, err := passkeysim.New(Site.RPID, Site.Origins)
	check.Must(t, err)
	return a
}

// Asserted is an authenticator's answer to a challenge.
func Asserted(t testing.TB, by *passkeysim.Authenticator, challenge []byte) *passkey.Assertion {
	t.Helper()
	answer, err := by.Assert(challenge)
	check.Must(t, err)
	return &answer
}

// Passkey is the proof by an authenticator for a text.
func Passkey(t testing.TB, by *passkeysim.Authenticator, text string) stepup.Proof {
	t.Helper()
	return stepup.Proof{Factor: stepup.Passkey, Passkey: Asserted(t, by, stepup.PasskeyChallenge(sm.Digest([]byte(text))))}
}

// Registered is an authenticator's answer that registers it on the device for a prepared change.
func (d *Device) Registered(t testing.TB, by *passkeysim.Authenticator, digest []byte) passkey.Registration {
	t.Helper()
	answer, err := by.Register(device.PasskeyRegistration(d.Channel, d.ID, digest))
	check.Must(t, err)
	return answer
}

// SetPasskey registers a new authenticator of the payer's phone.
func (p Pair) SetPasskey(t testing.TB) *passkeysim.Authenticator {
	t.Helper()
	by, in := Authenticator(t), p.PrepareChange(t, stepup.SetPasskey)
	signed := stepup.Proof{Factor: stepup.DeviceKey, Signature: p.Phone.Sign(t, in.Text)}
	p.Phone.Call(t, identitypasskeyset.Function, uuid.NewString(), identitypasskeyset.Request{
		Confirmation: stepup.Confirmation{
			IntentID: in.IntentID, Proofs: []stepup.Proof{p.Known(t), p.CodeFor(t, in.IntentID), signed},
		},
		Passkey: p.Phone.Registered(t, by, in.Digest),
	}).Want(t, "")
	return by
}

// SetPIN sets the payer's PIN on the phone.
func (p Pair) SetPIN(t testing.TB, pin string) Reply {
	t.Helper()
	return p.Phone.Call(t, identitypinset.Function, uuid.NewString(), identitypinset.Request{
		Confirmation: p.QuickProofs(t, stepup.SetPIN), PIN: p.Phone.Password(t, pin),
	})
}

// KeepPIN stores PIN for the customer's bound device, without calling identity-pin-set.
func (d *Device) KeepPIN(t testing.TB, c seed.Customer) {
	t.Helper()
	turn, err := d.bank.Passwords().Begin(t.Context())
	check.Must(t, err)
	defer turn.End()
	text, err := turn.Hash(password.OfDevicePIN(c.ID, d.ID), []byte(PIN))
	check.Must(t, err)
	d.bank.Exec(t, "UPDATE device SET pin = $3, pin_failures = 0 WHERE customer_id = $1 AND device_id = $2", c.ID, d.ID, text)
}

// QuickPIN is a request for a quick login by PIN.
func (d *Device) QuickPIN(t testing.TB, c seed.Customer, challenge []byte) identityquicklogin.Request {
	t.Helper()
	r, _ := d.quick(t, c, challenge, device.ByPIN)
	r.PIN = d.Password(t, PIN)
	return r
}

// QuickUKey is a request for a quick login by PIN and a soft UKey.
func (d *Device) QuickUKey(t testing.TB, c seed.Customer, challenge []byte, key UKey) identityquicklogin.Request {
	t.Helper()
	r, text := d.quick(t, c, challenge, device.BySoftUKey)
	r.PIN = d.Password(t, PIN)
	var err error
	r.SignedData, err = sm.NewSignedData(key.Key, key.Certificate, text)
	check.Must(t, err)
	return r
}

// QuickPasskey is a request for a quick login by a passkey.
func (d *Device) QuickPasskey(
	t testing.TB, c seed.Customer, challenge []byte, by *passkeysim.Authenticator,
) identityquicklogin.Request {
	t.Helper()
	r, _ := d.quick(t, c, challenge, device.ByPasskey)
	r.Passkey = Asserted(t, by, device.PasskeyLogin(d.Channel, d.Origin(t), challenge))
	return r
}
