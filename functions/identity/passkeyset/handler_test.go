package passkeyset_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitypasskeyset "github.com/tidebank/tidebank/functions/identity/passkeyset"
	"github.com/tidebank/tidebank/localstack/passkeysim"
	"github.com/tidebank/tidebank/shared/passkey"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

type fixture struct{ bank.Pair }

// kept is the id of the passkey that the bank keeps for the phone.
func (w fixture) kept(t *testing.T) string {
	t.Helper()
	return string(check.Value[[]byte](t, w.Host.DB.Pool(), "SELECT passkey_id FROM device WHERE customer_id = $1 AND device_id = $2",
		w.Payer.ID, w.Phone.ID))
}

func (w fixture) set(t *testing.T, intent uuid.UUID, r passkey.Registration, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitypasskeyset.Function, uuid.NewString(), identitypasskeyset.Request{
		Confirmation: stepup.Confirmation{IntentID: intent, Proofs: append([]stepup.Proof{}, proofs...)}, Passkey: r,
	})
}

// A later passkey replaces the earlier one, and the customer is told of each.
func TestADeviceHasOnePasskey(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	for range 2 {
		if by := w.SetPasskey(t); w.kept(t) != string(by.ID) {
			t.Errorf("kept %x, want %x", w.kept(t), by.ID)
		}
	}
	told := bank.Told[events.PasswordChanged](t, w.Bank, events.TypePasswordChanged)
	if len(told) != 2 || told[0].Which != "passkey" || told[0].DeviceID != w.Phone.ID {
		t.Errorf("events: %+v", told)
	}
}

// A passkey needs the trade password, a code, a signature by the bound key, and the authenticator's answer
// to the challenge of this change, on this channel, device and site, after it has recognised the customer.
func TestAPasskeyNeedsThreeFactorsAndItsOwnAnswer(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	in, other := w.PrepareChange(t, stepup.SetPasskey), w.PrepareChange(t, stepup.SetPasskey)
	known, code, login := w.Known(t), w.CodeFor(t, in.IntentID), w.KnownLogin(t, bank.LoginPassword)
	signed := stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)}
	all := []stepup.Proof{known, code, signed}
	good := w.Phone.Registered(t, bank.Authenticator(t), in.Digest)
	by := func(change func(*passkeysim.Authenticator)) passkey.Registration {
		a := bank.Authenticator(t)
		change(a)
		return w.Phone.Registered(t, a, in.Digest)
	}
	for name, tt := range map[string]struct {
		answer passkey.Registration
		want   string
		proofs []stepup.Proof
	}{
		"nothing":            {good, "STEPUP_STRONGER", nil},
		"no code":            {good, "STEPUP_STRONGER", []stepup.Proof{known, signed}},
		"no signature":       {good, "STEPUP_STRONGER", []stepup.Proof{known, code}},
		"the login password": {good, "STEPUP_STRONGER", []stepup.Proof{login, code, signed}},
		"for another change": {w.Phone.Registered(t, bank.Authenticator(t), other.Digest), "INPUT_INVALID", all},
		"on another phone":   {w.Device(t, "tablet-of-wang").Registered(t, bank.Authenticator(t), in.Digest), "INPUT_INVALID", all},
		"on another channel": {w.Device(t, w.Phone.ID).Registered(t, bank.Authenticator(t), in.Digest), "INPUT_INVALID", all},
		"on another site":    {by(func(a *passkeysim.Authenticator) { a.RPID = "evil.example" }), "INPUT_INVALID", all},
		"of another origin":  {by(func(a *passkeysim.Authenticator) { a.Origin = "https://evil.example" }), "INPUT_INVALID", all},
		"not recognised":     {by(func(a *passkeysim.Authenticator) { a.Flags = passkeysim.Present }), "INPUT_INVALID", all},
		"may be copied":      {by(func(a *passkeysim.Authenticator) { a.Flags |= passkeysim.Copyable }), "INPUT_INVALID", all},
	} {
		if got := w.set(t, in.IntentID, tt.answer, tt.proofs...); got.Code != tt.want {
			t.Errorf("%s: %d %q, want %s", name, got.Status, got.Code, tt.want)
		}
	}
	if kept := w.kept(t); kept != "" {
		t.Fatalf("a refused passkey is kept: %x", kept)
	}
	w.set(t, in.IntentID, good, all...).Want(t, "")
	later := w.QuickProofs(t, stepup.SetPasskey)
	digest := check.Value[[]byte](t, w.Host.DB.Pool(), "SELECT digest FROM intent WHERE id = $1", later.IntentID)
	w.UnbindMeanwhile(t)
	w.set(t, later.IntentID, w.Phone.Registered(t, bank.Authenticator(t), digest), later.Proofs...).Want(t, "DEVICE_UNBOUND")
	w.Exec(t, "DELETE FROM device WHERE customer_id = $1", w.Payer.ID)
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.SetPasskey}).Want(t, "DEVICE_UNBOUND")
}

func TestABankWithoutASiteTakesNone(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	w.Open(t, identitypasskeyset.Function, passkey.Config{})
	proved := w.QuickProofs(t, stepup.SetPasskey)
	digest := check.Value[[]byte](t, w.Host.DB.Pool(), "SELECT digest FROM intent WHERE id = $1", proved.IntentID)
	w.set(t, proved.IntentID, w.Phone.Registered(t, bank.Authenticator(t), digest), proved.Proofs...).Want(t, "SERVICE_UNAVAILABLE")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	d := b.Device(t, "phone")
	check.Must(t, b.Host.Sessions.Start(t.Context(), d.Channel, uuid.New()))
	d.Call(t, identitypasskeyset.Function, uuid.NewString(), identitypasskeyset.Request{
		Confirmation: stepup.Confirmation{IntentID: uuid.New(), Proofs: []stepup.Proof{}},
		Passkey:      d.Registered(t, bank.Authenticator(t), make([]byte, 32)),
	}).Want(t, "SERVICE_UNAVAILABLE")
}
