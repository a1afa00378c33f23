package confirm_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/passkeysim"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// A passkey's signature over the challenge of this transfer confirms it beside a factor that is no key in
// the phone, and no transfer alone.
func TestAPasskeyConfirmsBesideOneOtherFactor(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-012.2")
	w := newFixture(t, 900_000_00)
	offers := func() (named []string) {
		for _, c := range w.prepare(t, 1_00).Combinations {
			if slices.Contains(stepup.ParseCombination(c), stepup.Passkey) {
				named = append(named, c)
			}
		}
		return named
	}
	if got := offers(); got != nil {
		t.Errorf("offered before a passkey is set: %q", got)
	}
	by := w.SetPasskey(t)
	if diff := cmp.Diff([]string{"sms_otp+passkey", "trade_password+passkey"}, offers()); diff != "" {
		t.Errorf("combinations (-want +got):\n%s", diff)
	}
	for _, beside := range []stepup.Factor{stepup.SMSOTP, stepup.TradePassword} {
		in := w.prepare(t, 1_00)
		proof := bank.Passkey(t, by, in.Text)
		w.proven(t, in, proof).Want(t, "STEPUP_STRONGER")
		w.proven(t, in, proof, w.Signed(t, in)).Want(t, "STEPUP_STRONGER") // two keys of one phone
		c := w.by(t, in, stepup.Combination{beside})
		w.proven(t, in, append(c.Proofs, proof)...).Want(t, "")
	}
	w.CheckLedger(t)
}

// A signature with a wrong challenge, origin, site, count or device is refused, and moves no money. Audit
// learns of a count that has not grown.
func TestAPasskeyThatDoesNotHold(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 900_000_00)
	by := w.SetPasskey(t)
	in, other := w.prepare(t, 1_00), w.prepare(t, 1_01)
	wrong := func(change func(*passkeysim.Authenticator)) stepup.Proof {
		a := by.Copy()
		a.Count = 100
		change(a)
		return bank.Passkey(t, a, in.Text)
	}
	refused := func(what string, proof stepup.Proof) {
		t.Helper()
		if got := w.proven(t, in, w.Known(t), proof); got.Code != "PROOF_REJECTED" {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
	refused("of another transfer", bank.Passkey(t, by, other.Text))
	refused("for no transfer", stepup.Proof{Factor: stepup.Passkey, Passkey: bank.Asserted(t, by, make([]byte, 32))})
	refused("of another origin", wrong(func(a *passkeysim.Authenticator) { a.Origin = "https://m.bank.example.evil" }))
	refused("of another site", wrong(func(a *passkeysim.Authenticator) { a.RPID = "evil.example" }))
	refused("without the customer", wrong(func(a *passkeysim.Authenticator) { a.Flags = passkeysim.Present }))
	refused("of another authenticator", bank.Passkey(t, bank.Authenticator(t), in.Text))
	stolen := by.Copy()
	w.proven(t, other, w.Known(t), bank.Passkey(t, by, other.Text)).Want(t, "")
	refused("by a copy that is behind", bank.Passkey(t, stolen, in.Text))
	if reasons := w.refusedBecause(t); len(reasons) != 7 || reasons[6] != "passkey, passkey count has not grown" ||
		strings.Contains(strings.Join(reasons[:6], " "), "count") {
		t.Errorf("audit learns %q", reasons)
	}
	// On another device of the customer, which is bound too, the passkey of the phone proves nothing.
	tablet := w
	tablet.Phone = w.Device(t, "tablet-of-wang")
	tablet.Phone.LoginAs(t, w.Payer)
	there := tablet.prepare(t, 1_00)
	tablet.proven(t, there, tablet.Known(t), bank.Passkey(t, by, there.Text)).Want(t, "PROOF_REJECTED")
	tablet.SetPasskey(t)
	tablet.proven(t, there, tablet.Known(t), bank.Passkey(t, by, there.Text)).Want(t, "PROOF_REJECTED")
	if n := w.Count(t, "SELECT count(*) FROM transfer"); n != 1 {
		t.Errorf("%d transfers, want 1", n)
	}
	w.CheckLedger(t)
	req.Covers(t, "BIO-012.4")
}

func (w fixture) refusedBecause(t *testing.T) (reasons []string) {
	t.Helper()
	for _, told := range bank.Told[events.AccessRecorded](t, w.Bank, events.TypeAccessRecorded) {
		if told.Outcome == "PROOF_REJECTED" {
			reasons = append(reasons, told.Reason)
		}
	}
	return reasons
}

// One signature confirms one transfer, also if many requests bring it at once, and if a copy of the key signs
// another transfer with the same count.
func TestAPasskeySignatureIsUsedOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-012.3")
	w := newFixture(t, 900_000_00)
	by := w.SetPasskey(t)
	in := w.prepare(t, 1_00)
	proof := bank.Passkey(t, by, in.Text)
	replies := check.AtOnce(4, func(int) bank.Reply { return w.proven(t, in, w.Known(t), proof) })
	if won := bank.Won(t, replies, "INTENT_USED"); won != 1 {
		t.Errorf("%d of the requests with one signature won", won)
	}
	var list []transferprepare.Response
	var proofs []stepup.Proof
	for range 4 {
		in := w.prepare(t, 1_00)
		list, proofs = append(list, in), append(proofs, bank.Passkey(t, by.Copy(), in.Text)) // each with the same count
	}
	replies = check.AtOnce(len(list), func(i int) bank.Reply {
		return w.Confirm(t, stepup.Confirmation{IntentID: list[i].IntentID, Proofs: []stepup.Proof{w.Known(t), proofs[i]}})
	})
	if won := bank.Won(t, replies, "PROOF_REJECTED"); won != 1 {
		t.Errorf("%d of the transfers with one count won", won)
	}
	if n := w.Count(t, "SELECT count(*) FROM transfer"); n != 2 {
		t.Errorf("%d transfers, want 2", n)
	}
	w.CheckLedger(t)
}
