package client_test

import (
	"testing"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// A browser sets a PIN and a passkey, logs in by each of them, and pays by the passkey beside a code. Its
// device id follows from its key, also after a restart and an update.
func TestABrowserUsesItsAuthenticator(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.config.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	id, err := client.TerminalID(w.config.Device.Public(), w.config.UserAgent)
	check.Must(t, err)
	w.config.DeviceID = id
	w.app = client.New(w.config)
	c := w.customer(t)
	w.login(t, c)
	intent, proofs := w.proved(t, stepup.SetPIN)
	check.Must(t, w.app.SetPIN(t.Context(), intent, bank.PIN, proofs...))
	by := bank.Authenticator(t)
	intent, proofs = w.proved(t, stepup.SetPasskey)
	digest := check.Value[[]byte](t, w.Host.DB.Pool(), "SELECT digest FROM intent WHERE id = $1", intent)
	check.Must(t, w.app.SetPasskey(t.Context(), intent, digest, by, proofs...))

	w.config.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
	w.app = client.New(w.config) // after a restart and an update
	for _, with := range []client.Quick{
		{Phone: c.Phone, Method: device.ByPIN, PIN: bank.PIN}, {Phone: c.Phone, Method: device.ByPasskey, Passkey: by},
	} {
		w.Redis.FlushAll() // ends the session and the channel
		_, err := w.app.QuickLogin(t.Context(), with)
		check.Must(t, err)
		_, err = w.app.IdentityMe(t.Context())
		check.Must(t, err)
	}
	proof, err := client.PasskeyProof(by, digest)
	check.Must(t, err)
	if proof.Factor != string(stepup.Passkey) || len(proof.Passkey.Signature) == 0 {
		t.Errorf("the proof is %+v", proof)
	}
	w.config.DeviceID = "t1-0000000000000000000000000000000000000000"
	_, err = client.New(w.config).IdentityMe(t.Context())
	want(t, err, "CHANNEL_REFUSED")
}
