package tradepasswordset_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitytradepasswordset "github.com/tidebank/tidebank/functions/identity/tradepasswordset"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
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
