package unlockkeyset_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identityunlockkeyset "github.com/tidebank/tidebank/functions/identity/unlockkeyset"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

type fixture struct{ bank.Pair }

// keys are the keys that the bank keeps for the phone, as fingerprint and face.
func (w fixture) keys(t *testing.T) [2][]byte {
	t.Helper()
	var kept [2][]byte
	row := w.Host.DB.Pool().QueryRow(t.Context(),
		"SELECT fingerprint_key, face_key FROM device WHERE customer_id = $1 AND device_id = $2", w.Payer.ID, w.Phone.ID)
	check.Must(t, row.Scan(&kept[0], &kept[1]))
	return kept
}

func (w fixture) set(t *testing.T, r identityunlockkeyset.Request, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	r.Proofs = append([]stepup.Proof{}, proofs...)
	return w.Phone.Call(t, identityunlockkeyset.Function, uuid.NewString(), r)
}

// Each method has a key of its own, which a later one replaces. The customer is told.
func TestEachMethodHasAKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	var want [2][]byte
	for _, by := range []device.Method{device.ByFingerprint, device.ByFace, device.ByFingerprint} {
		public, err := w.SetUnlockKey(t, by).Public().Marshal()
		check.Must(t, err)
		want[map[device.Method]int{device.ByFace: 1}[by]] = public
		if got := w.keys(t); string(got[0]) != string(want[0]) || string(got[1]) != string(want[1]) {
			t.Errorf("after %s: %x, want %x", by, got, want)
		}
	}
	var which []string
	for _, told := range bank.Told[events.PasswordChanged](t, w.Bank, events.TypePasswordChanged) {
		which = append(which, told.Which)
	}
	if len(which) != 3 || which[0] != "fingerprint" || which[1] != "face" || which[2] != "fingerprint" {
		t.Errorf("events: %v", which)
	}
}

// A key needs the trade password, a code, a signature by the device's bound key, and a signature by
// itself for this channel, device and method. A session that only claims the device's id registers
// none. The bound key is no second factor.
func TestAKeyNeedsThreeFactorsAndItsOwnSignature(t *testing.T) {
	t.Parallel()
	w := fixture{bank.NewPair(t, 0)}
	in := w.PrepareChange(t, stepup.SetFace)
	known, code, login := w.Known(t), w.CodeFor(t, in.IntentID), w.KnownLogin(t, bank.LoginPassword)
	signed := stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)}
	claimed := stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Device(t, w.Phone.ID).Sign(t, in.Text)} // by a key of its own
	all := []stepup.Proof{known, code, signed}
	key, err := sm.GenerateKey()
	check.Must(t, err)
	request := func(d *bank.Device, key *sm.PrivateKey, by device.Method) identityunlockkeyset.Request {
		r := identityunlockkeyset.Request{Confirmation: stepup.Confirmation{IntentID: in.IntentID}}
		r.PublicKey, r.Signature = d.Unlock(t, key, by)
		return r
	}
	good := request(w.Phone, key, device.ByFace)
	foreign := good
	foreign.PublicKey = w.Phone.PublicKey(t)
	for name, tt := range map[string]struct {
		request identityunlockkeyset.Request
		want    string
		proofs  []stepup.Proof
	}{
		"nothing":                      {good, "STEPUP_STRONGER", nil},
		"the trade password":           {good, "STEPUP_STRONGER", []stepup.Proof{known}},
		"no code":                      {good, "STEPUP_STRONGER", []stepup.Proof{known, signed}},
		"no signature":                 {good, "STEPUP_STRONGER", []stepup.Proof{known, code}},
		"the login password":           {good, "STEPUP_STRONGER", []stepup.Proof{login, code, signed}},
		"a claimed device":             {good, "PROOF_REJECTED", []stepup.Proof{known, code, claimed}},
		"a code":                       {good, "STEPUP_STRONGER", []stepup.Proof{code}},
		"a signature for a finger":     {request(w.Phone, key, device.ByFingerprint), "INPUT_INVALID", all},
		"a signature on another phone": {request(w.Device(t, "tablet"), key, device.ByFace), "INPUT_INVALID", all},
		"the bound key":                {request(w.Phone, w.Phone.Key, device.ByFace), "INPUT_INVALID", all},
		"another's signature":          {foreign, "INPUT_INVALID", all},
	} {
		if got := w.set(t, tt.request, tt.proofs...); got.Code != tt.want {
			t.Errorf("%s: %d %q, want %s", name, got.Status, got.Code, tt.want)
		}
	}
	if kept := w.keys(t); kept[0] != nil || kept[1] != nil {
		t.Fatalf("a refused key is kept: %x", kept)
	}
	w.set(t, good, all...).Want(t, "")

	later := w.QuickProofs(t, stepup.SetFace)
	good.IntentID = later.IntentID
	w.UnbindMeanwhile(t)
	w.set(t, good, later.Proofs...).Want(t, "DEVICE_UNBOUND")
	w.Exec(t, "DELETE FROM device WHERE customer_id = $1", w.Payer.ID)
	w.set(t, good, later.Proofs...).Want(t, "PROOF_REJECTED")
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.SetFace}).Want(t, "DEVICE_UNBOUND")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	d := b.Device(t, "phone")
	check.Must(t, b.Host.Sessions.Start(t.Context(), d.Channel, uuid.New()))
	r := identityunlockkeyset.Request{Confirmation: stepup.Confirmation{IntentID: uuid.New(), Proofs: []stepup.Proof{}}}
	r.PublicKey, r.Signature = d.Unlock(t, d.Key, device.ByFace)
	d.Call(t, identityunlockkeyset.Function, uuid.NewString(), r).Want(t, "SERVICE_UNAVAILABLE")
}
