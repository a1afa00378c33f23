package gestureset_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitygestureset "github.com/tidebank/tidebank/functions/identity/gestureset"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct{ bank.Pair }

func (w fixture) set(t *testing.T, intent uuid.UUID, gesture string, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitygestureset.Function, uuid.NewString(), identitygestureset.Request{
		Confirmation: stepup.Confirmation{IntentID: intent, Proofs: append([]stepup.Proof{}, proofs...)},
		Gesture:      w.Phone.Password(t, gesture),
	})
}

// stored is what the bank keeps of the gesture on the phone; "" if there is none.
func (w fixture) stored(t *testing.T) string {
	t.Helper()
	return check.Value[string](t, w.Host.DB.Pool(), "SELECT coalesce(gesture, '') FROM device WHERE customer_id = $1 AND device_id = $2",
		w.Payer.ID, w.Phone.ID)
}

// A gesture of four points, and one of five that a hand can't join, are refused and use nothing
// up. Five joined points are accepted, also over a point that was passed before.
func TestAGestureJoinsFivePoints(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-026.1", "AUTH-026.2")
	w := fixture{bank.NewPair(t, 0)}
	proved := w.QuickProofs(t, stepup.SetGesture)
	for gesture, rule := range map[string]string{
		"": "too_short", "5": "too_short", "1478": "too_short", "2580": "too_short", "13": "not_joined",
		"13579": "not_joined", "19254": "not_joined", "46521": "not_joined", "28456": "not_joined", "12397": "not_joined",
		"37456": "not_joined", "51937": "not_joined",
		"11234": "point_twice", "12541": "point_twice", "1234x": "no_point", "12340": "no_point",
		"１２３４５": "no_point", "1 2 3 4 5": "no_point",
	} {
		got := w.set(t, proved.IntentID, gesture, proved.Proofs...)
		if got.Code != "PASSWORD_WEAK" || got.Problem.Field != "gesture" || !slices.Contains(got.Problem.Rules, rule) {
			t.Errorf("%q: %q %v, want %s", gesture, got.Code, got.Problem.Rules, rule)
		}
	}
	if w.stored(t) != "" {
		t.Error("a refused gesture is stored")
	}
	w.set(t, proved.IntentID, "14789", proved.Proofs...).Want(t, "")
	for _, gesture := range []string{
		"12369", "26843", "18349", // knight's moves go over no point
		"25846", "54612", "519462", // over a point that was passed before
		"123456789",
	} {
		if got := w.SetGesture(t, gesture); got.Code != "" {
			t.Errorf("%s: %s", gesture, got.Body)
		}
	}
}

// The gesture is stored like a password, for its device, and the customer is told of each one.
func TestAGestureIsStoredLikeAPassword(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	w.SetGesture(t, bank.Gesture).Want(t, "")
	first := w.stored(t)
	w.SetGesture(t, bank.Gesture).Want(t, "")
	if second := w.stored(t); !strings.HasPrefix(first, "pbkdf2-sm3-sealed$") || first == second || strings.Contains(first, bank.Gesture) {
		t.Errorf("stored %q, then %q", first, second)
	}
	told := bank.Told[events.PasswordChanged](t, w.Bank, events.TypePasswordChanged)
	if len(told) != 2 || told[0].Which != "gesture" || told[0].DeviceID != w.Phone.ID || told[0].Reset {
		t.Errorf("events: %+v", told)
	}
}

// A gesture needs the login password, a code, and a signature by the device's bound key: a session
// that only claims the device's id sets none.
func TestAGestureNeedsThreeFactorsOnABoundDevice(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	in, other := w.PrepareChange(t, stepup.SetGesture), w.PrepareChange(t, stepup.SetAlias)
	known, code := w.KnownLogin(t, bank.LoginPassword), w.CodeFor(t, in.IntentID)
	signed := stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)}
	claimed := stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Device(t, w.Phone.ID).Sign(t, in.Text)} // by a key of its own
	for name, tt := range map[string]struct {
		intent uuid.UUID
		want   string
		proofs []stepup.Proof
	}{
		"nothing":                    {in.IntentID, "STEPUP_STRONGER", nil},
		"the login password":         {in.IntentID, "STEPUP_STRONGER", []stepup.Proof{known}},
		"a code":                     {in.IntentID, "STEPUP_STRONGER", []stepup.Proof{code}},
		"a signature":                {in.IntentID, "STEPUP_STRONGER", []stepup.Proof{signed}},
		"a code and a signature":     {in.IntentID, "STEPUP_STRONGER", []stepup.Proof{code, signed}},
		"no code":                    {in.IntentID, "STEPUP_STRONGER", []stepup.Proof{known, signed}},
		"no signature":               {in.IntentID, "STEPUP_STRONGER", []stepup.Proof{known, code}},
		"a claimed device":           {in.IntentID, "PROOF_REJECTED", []stepup.Proof{known, code, claimed}},
		"a wrong password":           {in.IntentID, "PROOF_REJECTED", []stepup.Proof{w.KnownLogin(t, "not-it-2026"), code, signed}},
		"the intent of another kind": {other.IntentID, "OBJECT_NOT_FOUND", []stepup.Proof{known, w.CodeFor(t, other.IntentID)}},
	} {
		if got := w.set(t, tt.intent, bank.Gesture, tt.proofs...); got.Code != tt.want {
			t.Errorf("%s: %d %q, want %s", name, got.Status, got.Code, tt.want)
		}
	}
	if w.stored(t) != "" {
		t.Fatal("a refused gesture is stored")
	}
	w.set(t, in.IntentID, bank.Gesture, known, code, signed).Want(t, "")

	later := w.QuickProofs(t, stepup.SetGesture)
	w.UnbindMeanwhile(t)
	w.set(t, later.IntentID, bank.Gesture, later.Proofs...).Want(t, "DEVICE_UNBOUND")
	w.Exec(t, "DELETE FROM device WHERE customer_id = $1", w.Payer.ID)
	w.set(t, later.IntentID, bank.Gesture, later.Proofs...).Want(t, "PROOF_REJECTED")
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.SetGesture}).Want(t, "DEVICE_UNBOUND")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	proved := w.QuickProofs(t, stepup.SetGesture)
	unsealed := identitygestureset.Request{Confirmation: proved, Gesture: []byte(bank.Gesture)}
	w.Phone.Call(t, identitygestureset.Function, uuid.NewString(), unsealed).Want(t, "PASSWORD_UNSEALED")
	unsealed.Gesture = w.Device(t, "tablet").Password(t, bank.Gesture)
	w.Phone.Call(t, identitygestureset.Function, uuid.NewString(), unsealed).Want(t, "PASSWORD_UNSEALED")
	broken := bank.On(t, pgtest.Broken(t))
	d := broken.Device(t, "phone")
	check.Must(t, broken.Host.Sessions.Start(t.Context(), d.Channel, uuid.New()))
	d.Call(t, identitygestureset.Function, uuid.NewString(), identitygestureset.Request{
		Confirmation: proved, Gesture: d.Password(t, bank.Gesture),
	}).Want(t, "SERVICE_UNAVAILABLE")
}
