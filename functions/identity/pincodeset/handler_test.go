package pincodeset_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	identitypincodeset "github.com/tidebank/tidebank/functions/identity/pincodeset"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
)

const (
	given  = "840275"
	chosen = "60713942"
)

type fixture struct{ bank.Pair }

// newFixture is a pair whose payer is a corporate customer, to whom the counter has given a PIN code.
func newFixture(t *testing.T) fixture {
	t.Helper()
	w := fixture{bank.NewPair(t, 100_00)}
	w.Corporate(t, w.Payer)
	w.GivePIN(t, w.Payer, given)
	return w
}

func (w fixture) proof(t *testing.T, clear string) stepup.Proof {
	t.Helper()
	return stepup.Proof{Factor: stepup.PINCode, Password: w.Phone.Password(t, clear)}
}

func (w fixture) set(t *testing.T, intent uuid.UUID, clear string, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitypincodeset.Function, uuid.NewString(), identitypincodeset.Request{
		Confirmation: stepup.Confirmation{IntentID: intent, Proofs: proofs}, PINCode: w.Phone.Password(t, clear),
	})
}

// change replaces a PIN code.
func (w fixture) change(t *testing.T, from, to string) bank.Reply {
	t.Helper()
	in := w.PrepareChange(t, stepup.ChangePINCode)
	return w.set(t, in.IntentID, to, w.proof(t, from), stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)})
}

// pays reports the answer to a transfer that a PIN code and the phone's key confirm.
func (w fixture) pays(t *testing.T, clear string) string {
	t.Helper()
	in := w.Prepare(t, w.ToOwn(1))
	return w.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{w.Signed(t, in), w.proof(t, clear)}}).Code
}

// A PIN code that the counter has given confirms only its change; the chosen one confirms transfers, and the
// given one nothing any more.
func TestAGivenPINCodeIsToBeChanged(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	if got := w.pays(t, given); got != "PIN_CODE_LOCKED" {
		t.Errorf("the given one pays: %q", got)
	}
	w.change(t, given, chosen).Want(t, "")
	if got := w.pays(t, given); got != "PROOF_REJECTED" {
		t.Errorf("the earlier one: %q", got)
	}
	if got := w.pays(t, chosen); got != "" {
		t.Errorf("the chosen one: %q", got)
	}
	w.change(t, chosen, "８４０２７６").Want(t, "") // full-width digits, as keyboards write them
	if got := w.pays(t, "840276"); got != "" {
		t.Errorf("full-width digits: %q", got)
	}
}

// A new PIN code that is regular, of a personal number or the present one is refused, and its proofs stay good.
func TestTheRulesForANewPINCode(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	in := w.PrepareChange(t, stepup.ChangePINCode)
	proofs := []stepup.Proof{w.proof(t, given), {Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, in.Text)}}
	for text, rule := range map[string]string{
		"84027": "too_short", "840275123": "too_long", "84027x": "not_digits", "123456": "sequence", "87654321": "sequence",
		"1111111": "repetition", "12121212": "repetition", "11223344": "repetition", given: "unchanged",
		w.Payer.Phone[3:9]: "personal_data",
	} {
		got := w.set(t, in.IntentID, text, proofs...)
		if got.Code != "PASSWORD_WEAK" || got.Problem.Field != "pin_code" || !slices.Contains(got.Problem.Rules, rule) {
			t.Errorf("%s, %s: %q %v", text, rule, got.Code, got.Problem.Rules)
		}
	}
	w.set(t, in.IntentID, chosen, proofs...).Want(t, "")
	w.set(t, in.IntentID, chosen, proofs...).Want(t, "INTENT_USED")
}

// Five wrong PIN codes in a row lock it, and nothing else; the lock ends, and the counter's next code begins
// without one.
func TestWrongPINCodesLockIt(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.change(t, given, chosen).Want(t, "")
	w.ForgetAttempts(t)
	for range 5 {
		if got := w.pays(t, "000001"); got != "PROOF_REJECTED" {
			t.Fatalf("a wrong one: %q", got)
		}
	}
	if got := w.pays(t, chosen); got != "PIN_CODE_LOCKED" {
		t.Errorf("after five wrong ones: %q", got)
	}
	if n := w.Count(t, "SELECT count(*) FROM credential WHERE trade_failures + trade_in_flight > 0"); n != 0 {
		t.Error("the trade password is counted")
	}
	w.Advance(30*time.Minute + time.Second)
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	if got := w.pays(t, chosen); got != "" {
		t.Errorf("after the lock: %q", got)
	}
	for range 5 {
		w.pays(t, "000001")
	}
	w.GivePIN(t, w.Payer, given)
	w.change(t, given, "507139").Want(t, "")
	if got := w.pays(t, "507139"); got != "" {
		t.Errorf("the counter's next one: %q", got)
	}
}
