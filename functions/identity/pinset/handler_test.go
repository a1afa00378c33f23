package pinset_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitypinset "github.com/tidebank/tidebank/functions/identity/pinset"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

type fixture struct{ bank.Pair }

func (w fixture) set(t *testing.T, intent uuid.UUID, pin string, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitypinset.Function, uuid.NewString(), identitypinset.Request{
		Confirmation: stepup.Confirmation{IntentID: intent, Proofs: append([]stepup.Proof{}, proofs...)},
		PIN:          w.Phone.Password(t, pin),
	})
}

// stored is what the bank keeps of the PIN on the phone; "" if there is none.
func (w fixture) stored(t *testing.T) string {
	t.Helper()
	return check.Value[string](t, w.Host.DB.Pool(), "SELECT coalesce(pin, '') FROM device WHERE customer_id = $1 AND device_id = $2",
		w.Payer.ID, w.Phone.ID)
}

// A PIN has six digits that nobody guesses first, and is not the trade password. A refused one uses
// nothing up.
func TestAWeakPINIsRefused(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	proved := w.QuickProofs(t, stepup.SetPIN)
	for pin, rule := range map[string]string{
		"": "too_short", "52830": "too_short", "5283011": "too_long", "52830x": "not_digits", "123456": "sequence", "654321": "sequence",
		"111111": "repetition", "121212": "repetition", "112233": "repetition", w.Payer.Phone[5:]: "personal_data",
		bank.TradePassword: "trade_password",
	} {
		got := w.set(t, proved.IntentID, pin, proved.Proofs...)
		if got.Code != "PASSWORD_WEAK" || got.Problem.Field != "pin" || !slices.Contains(got.Problem.Rules, rule) {
			t.Errorf("%q: %q %v, want %s", pin, got.Code, got.Problem.Rules, rule)
		}
	}
	if w.stored(t) != "" {
		t.Error("a refused PIN is stored")
	}
	w.set(t, proved.IntentID, "５２８３０１", proved.Proofs...).Want(t, "")
}

// The PIN is stored like a password, for its device, and the customer is told of each one.
func TestAPINIsStoredLikeAPassword(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	w.SetPIN(t, bank.PIN).Want(t, "")
	first := w.stored(t)
	w.SetPIN(t, bank.PIN).Want(t, "")
	if second := w.stored(t); !strings.HasPrefix(first, "pbkdf2-sm3-sealed$") || first == second || strings.Contains(first, bank.PIN) {
		t.Errorf("stored %q, then %q", first, second)
	}
	told := bank.Told[events.PasswordChanged](t, w.Bank, events.TypePasswordChanged)
	if len(told) != 2 || told[0].Which != "pin" || told[0].DeviceID != w.Phone.ID || told[0].Reset {
		t.Errorf("events: %+v", told)
	}
}

// A PIN needs the login password, a code, and a signature by the device's bound key.
func TestAPINNeedsThreeFactorsOnABoundDevice(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	in := w.PrepareChange(t, stepup.SetPIN)
	known, code := w.KnownLogin(t, bank.LoginPassword), w.CodeFor(t, in.IntentID)
	signed := stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)}
	claimed := stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Device(t, w.Phone.ID).Sign(t, in.Text)} // by a key of its own
	for name, tt := range map[string]struct {
		want   string
		proofs []stepup.Proof
	}{
		"nothing": {"STEPUP_STRONGER", nil}, "no code": {"STEPUP_STRONGER", []stepup.Proof{known, signed}},
		"no signature": {"STEPUP_STRONGER", []stepup.Proof{known, code}}, "no password": {"STEPUP_STRONGER", []stepup.Proof{code, signed}},
		"a claimed device": {"PROOF_REJECTED", []stepup.Proof{known, code, claimed}},
	} {
		if got := w.set(t, in.IntentID, bank.PIN, tt.proofs...); got.Code != tt.want {
			t.Errorf("%s: %d %q, want %s", name, got.Status, got.Code, tt.want)
		}
	}
	other := w.PrepareChange(t, stepup.SetGesture)
	w.set(t, other.IntentID, bank.PIN, known).Want(t, "OBJECT_NOT_FOUND")
	if w.stored(t) != "" {
		t.Fatal("a refused PIN is stored")
	}
	w.set(t, in.IntentID, bank.PIN, known, code, signed).Want(t, "")
	later := w.QuickProofs(t, stepup.SetPIN)
	w.UnbindMeanwhile(t)
	w.set(t, later.IntentID, bank.PIN, later.Proofs...).Want(t, "DEVICE_UNBOUND")
	w.Exec(t, "DELETE FROM device WHERE customer_id = $1", w.Payer.ID)
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.SetPIN}).Want(t, "DEVICE_UNBOUND")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	proved := w.QuickProofs(t, stepup.SetPIN)
	unsealed := identitypinset.Request{Confirmation: proved, PIN: []byte(bank.PIN)}
	w.Phone.Call(t, identitypinset.Function, uuid.NewString(), unsealed).Want(t, "PASSWORD_UNSEALED")
	broken := bank.On(t, pgtest.Broken(t))
	d := broken.Device(t, "phone")
	check.Must(t, broken.Host.Sessions.Start(t.Context(), d.Channel, uuid.New()))
	d.Call(t, identitypinset.Function, uuid.NewString(), identitypinset.Request{
		Confirmation: proved, PIN: d.Password(t, bank.PIN),
	}).Want(t, "SERVICE_UNAVAILABLE")
}
