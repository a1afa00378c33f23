package tradepasswordset_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitytradepasswordset "github.com/tidebank/tidebank/functions/identity/tradepasswordset"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

const fresh = "840275"

type fixture struct{ bank.Pair }

// newFixture is a pair whose payer has accounts of one kind.
func newFixture(t *testing.T, kind string) fixture {
	t.Helper()
	w := fixture{bank.NewPair(t, 100_00)}
	w.Exec(t, "UPDATE account SET kind = $2 WHERE customer_id = $1", w.Payer.ID, kind)
	return w
}

func (w fixture) set(t *testing.T, intent uuid.UUID, clear string, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitytradepasswordset.Function, uuid.NewString(), identitytradepasswordset.Request{
		Confirmation: stepup.Confirmation{IntentID: intent, Proofs: proofs}, TradePassword: w.Phone.Password(t, clear),
	})
}

// by is the proof of what the customer knows, for the change.
func (w fixture) by(t *testing.T, what stepup.Change) stepup.Proof {
	t.Helper()
	if what == stepup.ResetTradePassword {
		return w.KnownLogin(t, bank.LoginPassword)
	}
	return w.Known(t)
}

// pays reports the answer to a transfer that a trade password and a signature confirm.
func (w fixture) pays(t *testing.T, trade string) string {
	t.Helper()
	in := w.Prepare(t, w.ToPayee(1))
	known := stepup.Proof{Factor: stepup.TradePassword, Password: w.Phone.Password(t, trade)}
	return w.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{w.Signed(t, in), known}}).Code
}

// At a change and at a reset, a password that holds six digits of a personal number, is
// regular or is the present one is refused, and its proofs stay good.
func TestTheRulesForANewTradePassword(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-001.2", "PWD-001.3", "PWD-002.3")
	for _, what := range []stepup.Change{stepup.ChangeTradePassword, stepup.ResetTradePassword} {
		w := newFixture(t, "class2")
		in := w.PrepareChange(t, what)
		known, code := w.by(t, what), w.CodeFor(t, in.IntentID)
		weak := map[string]string{
			"111111": "repetition", "123456": "sequence", "654321": "sequence", "121212": "repetition", "112233": "repetition",
			bank.TradePassword: "unchanged", "84027": "too_short", "84027x": "not_digits",
		}
		for i := range len(w.Payer.Phone) - 5 {
			weak[w.Payer.Phone[i:i+6]] = "personal_data"
		}
		for i := range len(w.Payer.IDNo) - 6 { // the last may be an X
			weak[w.Payer.IDNo[i:i+6]] = "personal_data"
		}
		for text, rule := range weak {
			got := w.set(t, in.IntentID, text, known, code)
			if got.Code != "PASSWORD_WEAK" || got.Problem.Field != "trade_password" || !slices.Contains(got.Problem.Rules, rule) {
				t.Errorf("%s, %s: %q %v", what, rule, got.Code, got.Problem.Rules)
			}
		}
		if got := w.pays(t, bank.TradePassword); got != "" {
			t.Errorf("%s: after refusals the present password gets %q", what, got)
		}
		w.set(t, in.IntentID, "８４０２７５", known, code).Want(t, "") // full-width digits, as keyboards write them
		if old, now := w.pays(t, bank.TradePassword), w.pays(t, fresh); old != "PROOF_REJECTED" || now != "" {
			t.Errorf("%s: the earlier password gets %q, the new one %q", what, old, now)
		}
	}
}

// The password of each card is refused, at a change and at a reset; that of another customer's or of a closed card is not.
func TestACardsPasswordIsRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-003.2")
	const second, foreign, closed = "480615", "604718", "295731"
	for _, what := range []stepup.Change{stepup.ChangeTradePassword, stepup.ResetTradePassword} {
		w := newFixture(t, "class2")
		w.cardPassword(t, w.Payer.AccountIDs[1], second)
		w.cardPassword(t, w.Payee.AccountIDs[0], foreign)
		in := w.PrepareChange(t, what)
		known, code := w.by(t, what), w.CodeFor(t, in.IntentID)
		for _, taken := range []string{bank.CardPassword, second} {
			got := w.set(t, in.IntentID, taken, known, code)
			if got.Code != "PASSWORD_WEAK" || !slices.Contains(got.Problem.Rules, "card_password") {
				t.Errorf("%s to %s: %q %v", what, taken, got.Code, got.Problem.Rules)
			}
		}
		w.cardPassword(t, w.Payer.AccountIDs[1], closed)
		w.Exec(t, "UPDATE account SET state = 'closed' WHERE id = $1", w.Payer.AccountIDs[1])
		w.set(t, in.IntentID, closed, known, code).Want(t, "")
		in = w.PrepareChange(t, stepup.ChangeTradePassword)
		now := stepup.Proof{Factor: stepup.TradePassword, Password: w.Phone.Password(t, closed)}
		w.set(t, in.IntentID, foreign, now, w.CodeFor(t, in.IntentID)).Want(t, "")
	}
}

// A trade password that is the PIN of one of the customer's devices would be one secret for the login and the payment
// (AUTH-005).
func TestADevicesPINIsRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "class2")
	w.Phone.KeepPIN(t, w.Payer)
	in := w.PrepareChange(t, stepup.ChangeTradePassword)
	known, code := w.Known(t), w.CodeFor(t, in.IntentID)
	got := w.set(t, in.IntentID, bank.PIN, known, code)
	if got.Code != "PASSWORD_WEAK" || !slices.Contains(got.Problem.Rules, "device_pin") {
		t.Errorf("%q %v, want device_pin", got.Code, got.Problem.Rules)
	}
	w.Exec(t, "UPDATE device SET pin = NULL")
	w.set(t, in.IntentID, bank.PIN, known, code).Want(t, "")
}

// cardPassword sets the password of an account's card, as the core of the bank does.
func (w fixture) cardPassword(t *testing.T, account uuid.UUID, clear string) {
	t.Helper()
	turn, err := w.Passwords().Begin(t.Context())
	check.Must(t, err)
	defer turn.End()
	stored, err := turn.Hash(password.OfCard(account), []byte(clear))
	check.Must(t, err)
	w.Exec(t, "UPDATE account SET card_password = $2 WHERE id = $1", account, stored)
}

func TestAChangeNeedsThePresentPasswordAndAFreshFactor(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "debit")
	in := w.PrepareChange(t, stepup.ChangeTradePassword)
	code := w.CodeFor(t, in.IntentID)
	wrong := stepup.Proof{Factor: stepup.TradePassword, Password: w.Phone.Password(t, fresh)}
	w.set(t, in.IntentID, fresh, code).Want(t, "STEPUP_STRONGER")
	w.set(t, in.IntentID, fresh, w.Known(t)).Want(t, "STEPUP_STRONGER")
	w.set(t, in.IntentID, fresh, w.KnownLogin(t, bank.LoginPassword), code).Want(t, "STEPUP_STRONGER")
	w.set(t, in.IntentID, fresh, wrong, code).Want(t, "PROOF_REJECTED")
	w.set(t, in.IntentID, fresh, w.Known(t), code).Want(t, "")
}

// A forgotten trade password of a customer with a full account is reset at a branch only,
// also if the account is opened after the preparation.
func TestAFullAccountsPasswordIsResetAtABranch(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-021.1")
	w := newFixture(t, "debit")
	got := w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.ResetTradePassword})
	if got.Want(t, "RESET_BRANCH_ONLY"); got.Problem.Detail != "请携带有效身份证件到网点办理" {
		t.Errorf("the advice is %q", got.Problem.Detail)
	}
	w.Exec(t, "UPDATE account SET kind = 'class3' WHERE customer_id = $1", w.Payer.ID)
	in := w.PrepareChange(t, stepup.ResetTradePassword)
	proofs := []stepup.Proof{w.KnownLogin(t, bank.LoginPassword), w.CodeFor(t, in.IntentID)}
	w.Exec(t, "UPDATE account SET kind = 'debit' WHERE id = $1", w.Payer.AccountIDs[0])
	w.set(t, in.IntentID, fresh, proofs...).Want(t, "RESET_BRANCH_ONLY")
	if got := w.pays(t, bank.TradePassword); got != "" {
		t.Errorf("the password that was to be reset gets %q", got)
	}
	w.Exec(t, "UPDATE account SET state = 'closed' WHERE id = $1", w.Payer.AccountIDs[0])
	w.set(t, in.IntentID, fresh, proofs[:1]...).Want(t, "STEPUP_STRONGER")
	w.set(t, in.IntentID, fresh, proofs...).Want(t, "")
}
