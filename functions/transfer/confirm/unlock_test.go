package confirm_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

func unlocked(t *testing.T, key *sm.PrivateKey, in transferprepare.Response) stepup.Proof {
	t.Helper()
	signature, err := sm.Sign(key, []byte(in.Text))
	check.Must(t, err)
	return stepup.Proof{Factor: stepup.UnlockKey, Signature: signature}
}

// A signature by the key that the phone's finger or face unlocks, over this transfer's text,
// confirms it beside each other factor, and no transfer alone.
func TestAFingerConfirmsBesideOneOtherFactor(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-012.2")
	w := newFixture(t, 900_000_00)
	if got := w.prepare(t, 1_00).Combinations; slices.ContainsFunc(got, func(c string) bool {
		return stepup.ParseCombination(c).NeedsUnlock()
	}) {
		t.Errorf("offered before a key is set: %q", got)
	}
	all := []stepup.Factor{stepup.SMSOTP, stepup.DeviceKey, stepup.TradePassword}
	for _, by := range []device.Method{device.ByFingerprint, device.ByFace} {
		key := w.SetUnlockKey(t, by)
		for _, tt := range []struct {
			request map[string]any
			beside  []stepup.Factor
		}{
			{w.request(1_00), all}, {w.ToOwn(10_000_01), all[:1]}, // the sum of a day is 50,000.00
			{w.ToOwn(1_00), all[1:]}, // one of these is enough, and no code
		} {
			for _, second := range tt.beside {
				in := w.Prepare(t, tt.request)
				proof := unlocked(t, key, in)
				alone := w.proven(t, in, proof)
				if alone.Want(t, "STEPUP_STRONGER"); len(alone.Problem.Missing) == 0 {
					t.Errorf("%v fen by %s alone: nothing is missing", tt.request["amount_fen"], by)
				}
				c := w.by(t, in, stepup.Combination{second})
				w.proven(t, in, append(c.Proofs, proof)...).Want(t, "")
			}
		}
	}
	want := []string{
		"sms_otp+device_key", "sms_otp+trade_password", "device_key+trade_password", "sms_otp+unlock_key", "device_key+unlock_key",
		"trade_password+unlock_key",
	}
	if diff := cmp.Diff(want, w.prepare(t, 1_00).Combinations); diff != "" {
		t.Errorf("combinations (-want +got):\n%s", diff)
	}
	w.CheckLedger(t)
}

// Such a signature is refused over another transfer, by another key, the second time, and when the
// device has lost the key.
func TestAnUnlockedSignatureThatDoesNotHold(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-012.3")
	w := newFixture(t, 900_000_00)
	key := w.SetUnlockKey(t, device.ByFace)
	in, other := w.prepare(t, 1_00), w.prepare(t, 1_01)
	refused := func(what string, proof stepup.Proof, code string) {
		t.Helper()
		if got := w.proven(t, in, proof, w.Signed(t, in)); got.Code != code {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
	stranger, err := sm.GenerateKey()
	check.Must(t, err)
	refused("of another transfer", unlocked(t, key, other), "PROOF_REJECTED")
	refused("by another key", unlocked(t, stranger, in), "PROOF_REJECTED")
	refused("by the bound key", unlocked(t, w.Phone.Key, in), "PROOF_REJECTED")
	good := unlocked(t, key, in)
	w.proven(t, in, good, w.Signed(t, in)).Want(t, "")
	refused("the second time", good, "INTENT_USED")
	in = other
	refused("of the first transfer", good, "PROOF_REJECTED")
	w.Exec(t, "UPDATE device SET face_key = NULL")
	refused("by a key that is gone", unlocked(t, key, in), "PROOF_REJECTED")
	w.proven(t, in, w.Known(t), w.Signed(t, in)).Want(t, "")
	w.CheckLedger(t)
}
