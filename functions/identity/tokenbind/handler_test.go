package tokenbind_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitytokenbind "github.com/tidebank/tidebank/functions/identity/tokenbind"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
)

type fixture struct{ bank.Pair }

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, 900_000_00)}
}

func (w fixture) bind(t *testing.T, intent uuid.UUID, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitytokenbind.Function, uuid.NewString(), stepup.Confirmation{IntentID: intent, Proofs: proofs})
}

func (w fixture) signed(t *testing.T, text string) stepup.Proof {
	t.Helper()
	return stepup.Proof{Factor: stepup.DeviceKey, Signature: w.Phone.Sign(t, text)}
}

// A token that the bank has handed out is bound by its response and two other factors; then
// it confirms a transfer above the SMS code's cap.
func TestABoundTokenConfirms(t *testing.T) {
	t.Parallel()
	for _, by := range []token.Algorithm{token.SM3, token.SM4} {
		for _, second := range []stepup.Factor{stepup.DeviceKey, stepup.TradePassword} {
			w := newFixture(t)
			held := w.HandOut(t, w.Payer, by)
			in := w.PrepareChange(t, stepup.BindToken)
			if diff := cmp.Diff([]string{"sms_otp+device_key+token", "sms_otp+trade_password+token"}, in.Combinations); diff != "" {
				t.Errorf("combinations (-want +got):\n%s", diff)
			}
			told := strings.Contains(in.Text, "办理事项：启用动态令牌")
			if in.Function != "identity-token-bind" || !told || in.Challenge != token.Challenge(in.Text) {
				t.Errorf("%+v", in)
			}
			other := w.Known(t)
			if second == stepup.DeviceKey {
				other = w.signed(t, in.Text)
			}
			var reply identitytokenbind.Response
			w.bind(t, in.IntentID, w.CodeFor(t, in.IntentID), other, bank.Responded(held, in.Text)).Into(t, &reply)
			if !reply.Bound {
				t.Errorf("the reply is %+v", reply)
			}
			pay := w.Prepare(t, w.ToPayee(50_000_01))
			w.Confirm(t, stepup.Confirmation{
				IntentID: pay.IntentID, Proofs: []stepup.Proof{w.Signed(t, pay), bank.Responded(held, pay.Text)},
			}).Want(t, "")
			w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.BindToken}).Want(t, "OBJECT_NOT_FOUND")
		}
	}
}

// Nothing less binds a token, and nobody binds another's.
func TestABindingNeedsTheTokenAndTwoFactors(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.BindToken}).Want(t, "OBJECT_NOT_FOUND")
	w.HandOut(t, w.Payee, token.SM3)
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.BindToken}).Want(t, "OBJECT_NOT_FOUND")
	held := w.HandOut(t, w.Payer, token.SM3)
	in := w.PrepareChange(t, stepup.BindToken)
	code, response := w.CodeFor(t, in.IntentID), bank.Responded(held, in.Text)
	for name, proofs := range map[string][]stepup.Proof{
		"nothing": {}, "the response": {response}, "a code": {code, response}, "no code": {w.Known(t), w.signed(t, in.Text), response},
		"no response":        {code, w.Known(t), w.signed(t, in.Text)},
		"the login password": {code, w.KnownLogin(t, bank.LoginPassword), response},
	} {
		if got := w.bind(t, in.IntentID, proofs...); got.Code != "STEPUP_STRONGER" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	wrong := stepup.Proof{Factor: stepup.Token, Code: held.Answer("")}
	w.bind(t, in.IntentID, code, w.Known(t), wrong).Want(t, "PROOF_REJECTED")
	// The intent of another change takes no token that is not in use.
	pay := w.Prepare(t, w.ToPayee(1_00))
	w.Confirm(t, stepup.Confirmation{IntentID: pay.IntentID, Proofs: []stepup.Proof{w.Signed(t, pay), bank.Responded(held, pay.Text)}}).
		Want(t, "PROOF_REJECTED")
	if n := w.Count(t, "SELECT count(*) FROM token WHERE state <> 'issued'"); n != 0 {
		t.Errorf("%d tokens are bound", n)
	}
	w.Exec(t, "UPDATE device SET bound_at = $1", w.Clock.Now())
	if diff := cmp.Diff([]string{"sms_otp+trade_password+token"}, w.PrepareChange(t, stepup.BindToken).Combinations); diff != "" {
		t.Errorf("with a key of today (-want +got):\n%s", diff)
	}
	w.bind(t, in.IntentID, code, w.Known(t), response).Want(t, "")
}

// Five wrong responses lock a token that is not yet bound.
func TestWrongResponsesLockANewToken(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	held := w.HandOut(t, w.Payer, token.SM3)
	in := w.PrepareChange(t, stepup.BindToken)
	for range 5 {
		w.bind(t, in.IntentID, w.Known(t), stepup.Proof{Factor: stepup.Token, Code: bank.Ahead(held, time.Hour).Response(in.Text)}).
			Want(t, "PROOF_REJECTED")
	}
	w.bind(t, in.IntentID, w.CodeFor(t, in.IntentID), w.Known(t), bank.Responded(held, in.Text)).Want(t, "TOKEN_LOCKED")
}
