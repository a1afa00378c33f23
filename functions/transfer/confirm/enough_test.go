package confirm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// With one factor a transfer to somebody else is refused. The refusal names what is
// enough, and with any of that the same call is served.
func TestTheRefusalNamesWhatIsEnough(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-007.2")
	w := newFixture(t, 1_000_00)
	offered := w.prepare(t, 1_00).Combinations
	for i, combination := range req.AtLeast(t, 2, offered) {
		in := w.prepare(t, 1_00)
		enough := w.by(t, in, stepup.ParseCombination(combination))
		alone := confirmation(in.IntentID, enough.Proofs[0])
		refused := w.Phone.Call(t, transferconfirm.Function, combination, alone)
		refused.Want(t, "STEPUP_STRONGER")
		if diff := cmp.Diff(in.Combinations, refused.Problem.Combinations); diff != "" {
			t.Errorf("%s: the refusal names others than the order (-order +refusal):\n%s", combination, diff)
		}
		if !cmp.Equal(refused.Problem.Combinations, offered) {
			t.Errorf("%s: %v, and for the like order %v", combination, refused.Problem.Combinations, offered)
		}
		w.Phone.Call(t, transferconfirm.Function, combination, enough).Want(t, "")
		if got := w.Balance(t, w.Payee.AccountIDs[0]); got != money.Fen(1+i)*1_00 {
			t.Errorf("%s: the payee has %s", combination, got.Yuan())
		}
	}
	w.CheckLedger(t)
}

// Only that refusal tells of factors: another one would answer a guess.
func TestOtherRefusalsNameNoFactors(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	wrong := stepup.Proof{Factor: stepup.TradePassword, Password: w.Phone.Password(t, "000000")}
	got := w.Phone.Call(t, transferconfirm.Function, "key", confirmation(in.IntentID, wrong))
	if got.Want(t, "PROOF_REJECTED"); len(got.Problem.Combinations) > 0 {
		t.Errorf("named %v", got.Problem.Combinations)
	}
}

// A trade password that is not sealed for this channel costs no try, and neither does a
// wrong code beside it. The refusal names its field, and the same call may be repaired.
func TestAnUnsealedPasswordCostsNoTry(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	unsealed := stepup.Proof{Factor: stepup.TradePassword, Password: []byte(bank.TradePassword)}
	code := stepup.Proof{Factor: stepup.SMSOTP, Code: otptest.Wrong(w.otp(t, in))}
	for range 6 {
		got := w.Phone.Call(t, transferconfirm.Function, "key", confirmation(in.IntentID, code, unsealed))
		if got.Want(t, "PASSWORD_UNSEALED"); got.Problem.Field != "proofs[1].password" || got.Problem.TriesLeft != nil {
			t.Errorf("told %s", got.Body)
		}
	}
	code.Code = otptest.Code(t, w.Bank, stepup.Subject(in.IntentID))
	w.Phone.Call(t, transferconfirm.Function, "key", confirmation(in.IntentID, code, w.Known(t))).Want(t, "")
}
