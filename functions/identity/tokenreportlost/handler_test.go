package tokenreportlost_test

import (
	"testing"

	"github.com/google/uuid"

	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitypreferenceset "github.com/tidebank/tidebank/functions/identity/preferenceset"
	identitytokenreportlost "github.com/tidebank/tidebank/functions/identity/tokenreportlost"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
)

// A lost token confirms nothing any more, not a prepared transfer either, and its seed is
// gone. Others' tokens go on, the customer goes on by other proofs, and another token that
// the bank hands out may be bound.
func TestALostTokenConfirmsNothing(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 900_000_00)
	report := func() bank.Reply {
		return w.Phone.Call(t, identitytokenreportlost.Function, "", struct{}{})
	}
	report().Want(t, "OBJECT_NOT_FOUND")
	held := w.Token(t)
	w.HandOut(t, w.Payee, token.SM3)
	wanted := map[string]any{"combination": "device_key+token", "amount_fen": 20_000_00}
	w.Phone.Call(t, identitypreferenceset.Function, "", wanted).Want(t, "")
	small, large := w.Prepare(t, w.ToPayee(1_00)), w.Prepare(t, w.ToPayee(50_000_01))
	if len(small.Combinations) != 1 || small.Combinations[0] != "device_key+token" {
		t.Errorf("the choice is %v", small.Combinations)
	}
	var reply identitytokenreportlost.Response
	report().Into(t, &reply)
	if !reply.Lost {
		t.Errorf("the reply is %+v", reply)
	}
	for _, in := range []transferprepare.Response{small, large} {
		w.Confirm(t, stepup.Confirmation{
			IntentID: in.IntentID, Proofs: []stepup.Proof{w.Signed(t, in), bank.Responded(held, in.Text)},
		}).Want(t, "PROOF_REJECTED")
	}
	report().Want(t, "OBJECT_NOT_FOUND")
	if n := w.Count(t, "SELECT count(*) FROM token WHERE state = 'lost' AND seed_ct = ''"); n != 1 {
		t.Errorf("%d tokens are lost and have no seed", n)
	}
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(50_000_01)).Want(t, "STEPUP_STRONGER")
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(1_00)))).Want(t, "") // the choice with the token is none
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.BindToken}).Want(t, "OBJECT_NOT_FOUND")
	again := w.HandOut(t, w.Payer, token.SM4)
	if in := w.PrepareChange(t, stepup.BindToken); token.Challenge(in.Text) != in.Challenge || again.Serial == held.Serial {
		t.Errorf("%+v", in)
	}
	if n := w.Count(t, "SELECT count(*) FROM token WHERE customer_id = $1 AND state = 'issued'", w.Payee.ID); n != 1 {
		t.Errorf("the payee has %d tokens", n)
	}
}

// A refused report leaves nothing behind: the same request again is refused again.
func TestARefusedReportIsNotRemembered(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 100_00)
	again := uuid.NewString()
	for range 2 {
		w.Phone.Call(t, identitytokenreportlost.Function, again, struct{}{}).Want(t, "OBJECT_NOT_FOUND")
	}
}
