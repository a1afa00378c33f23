package confirm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/req"
)

// facing is a fixture whose payer has a reference photo.
type facing struct {
	fixture
	engine facetest.Engine
	photo  face.Reference
}

func newFacing(t *testing.T) facing {
	t.Helper()
	w := facing{fixture: newFixture(t, 900_000_00)}
	w.engine = facetest.Start(t, w.Bank)
	w.photo = w.engine.Photo(t, w.Payer)
	return w
}

// faced lets the payer's face pass for the transfer.
func (w facing) faced(t *testing.T, in transferprepare.Response) stepup.Proof {
	t.Helper()
	return w.engine.Proof(t, w.Phone, in.IntentID, w.photo)
}

// A face alone confirms no transfer, not even a small one between own accounts. Each other factor
// beside it confirms the same transfer.
func TestAFaceConfirmsBesideOneOtherFactor(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-002.2")
	w := newFacing(t)
	all := []stepup.Factor{stepup.SMSOTP, stepup.DeviceKey, stepup.TradePassword}
	for _, tt := range []struct {
		request map[string]any
		beside  []stepup.Factor
	}{
		{w.request(1_00), all},
		{w.ToOwn(10_000_01), all},
		{w.ToOwn(1_00), all[1:]}, // one of these is enough, and no code
	} {
		for _, second := range tt.beside {
			in := w.Prepare(t, tt.request)
			proof := w.faced(t, in)
			alone := w.proven(t, in, proof)
			if alone.Want(t, "STEPUP_STRONGER"); len(alone.Problem.Missing) == 0 {
				t.Errorf("%v fen by a face alone: nothing is missing", tt.request["amount_fen"])
			}
			c := w.by(t, in, stepup.Combination{second})
			w.proven(t, in, append(c.Proofs, proof)...).Want(t, "")
		}
	}
	if n := w.Count(t, "SELECT count(*) FROM face_check WHERE state = 'used'"); n != 8 {
		t.Errorf("%d checks are used", n)
	}
	w.CheckLedger(t)
}

// The face is offered to a customer whose photo is young enough. It has the cap of the SMS code,
// and is the third factor at a raised grade.
func TestWhoIsAskedForAFace(t *testing.T) {
	t.Parallel()
	w := newFacing(t)
	two := []string{"sms_otp+device_key", "sms_otp+trade_password", "device_key+trade_password"}
	asked := func(want []string) {
		t.Helper()
		if diff := cmp.Diff(want, w.prepare(t, 50_000_00).Combinations); diff != "" {
			t.Errorf("combinations (-want +got):\n%s", diff)
		}
	}
	w.Exec(t, "UPDATE face_reference SET taken_at = $1", w.Clock.Now().Add(-facetest.MaxAge))
	asked(two)
	w.Exec(t, "UPDATE face_reference SET taken_at = $1", w.Clock.Now().Add(time.Second-facetest.MaxAge))
	asked(append(two, "sms_otp+face", "device_key+face", "trade_password+face"))
	w.Phone.Call(t, transferprepare.Function, "", w.request(50_000_01)).Want(t, "STEPUP_STRONGER")
	in := w.prepare(t, 1_00)
	proof := w.faced(t, in)
	w.Exec(t, "UPDATE customer SET risk_grade = 1 WHERE id = $1", w.Payer.ID)
	asked([]string{
		"sms_otp+device_key+trade_password", "sms_otp+device_key+face", "sms_otp+trade_password+face",
		"device_key+trade_password+face",
	})
	refused := w.proven(t, in, proof, w.Signed(t, in))
	if refused.Want(t, "STEPUP_STRONGER"); !cmp.Equal(refused.Problem.Missing, []string{"sms_otp", "trade_password"}) {
		t.Errorf("missing %q", refused.Problem.Missing)
	}
	w.proven(t, in, proof, w.Signed(t, in), w.Known(t)).Want(t, "")
	w.CheckLedger(t)
}

// A face confirms only the transfer for which it has passed, on the channel of the check, within
// five minutes, and once.
func TestAFaceThatDoesNotHold(t *testing.T) {
	t.Parallel()
	w := newFacing(t)
	in, other := w.prepare(t, 1_00), w.prepare(t, 1_01)
	refused := func(what string, in transferprepare.Response, proof stepup.Proof) {
		t.Helper()
		if got := w.proven(t, in, proof, w.Signed(t, in)); got.Code != "PROOF_REJECTED" || got.Problem.TriesLeft != nil {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
	refused("of another transfer", in, w.faced(t, other))
	unknown := uuid.New()
	refused("unknown", in, stepup.Proof{Factor: stepup.Face, CheckID: &unknown})
	begun := w.engine.Begin(t, w.Phone, in.IntentID)
	refused("not finished", in, stepup.Proof{Factor: stepup.Face, CheckID: &begun.ID})
	w.engine.Finish(t, w.Phone, begun, facetest.Good(begun, face.Reference{Handle: uuid.New()})).Want(t, "FACE_REJECTED")
	refused("failed", in, stepup.Proof{Factor: stepup.Face, CheckID: &begun.ID})

	payee := w.Device(t, "phone-of-li")
	payee.LoginAs(t, w.Payee)
	photo := w.engine.Photo(t, w.Payee)
	var own transferprepare.Response
	w.proven(t, in, w.faced(t, in), w.Signed(t, in)).Want(t, "") // now the payee has money
	payee.Call(t, transferprepare.Function, "", map[string]any{
		"debit_account_id": w.Payee.AccountIDs[0], "payee_account_id": w.Payee.AccountIDs[1], "amount_fen": 1,
	}).Into(t, &own)
	refused("another customer's", other, w.engine.Proof(t, payee, own.IntentID, photo))

	late := w.faced(t, other)
	w.Advance(face.ProofLife)
	refused("too late", other, late)
	moved := w.faced(t, other)
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	refused("of an earlier channel", other, moved)

	lacking := w.proven(t, other, w.Signed(t, other), stepup.Proof{Factor: stepup.Face})
	if lacking.Want(t, "INPUT_INVALID"); lacking.Problem.Field != "proofs[1].check_id" {
		t.Errorf("the field is %q", lacking.Problem.Field)
	}
	good := confirmation(other.IntentID, w.faced(t, other), w.Signed(t, other))
	won := 0
	for _, r := range check.AtOnce(10, func(i int) bank.Reply {
		return w.Phone.Call(t, transferconfirm.Function, fmt.Sprint("race", i), good)
	}) {
		switch r.Code {
		case "":
			won++
		case "INTENT_USED", "PROOF_REJECTED", "REQUEST_IN_PROGRESS":
		default:
			t.Errorf("at once: %d %q", r.Status, r.Code)
		}
	}
	if won != 1 {
		t.Errorf("%d of 10 confirmed", won)
	}
	if got := w.Balance(t, w.Payee.AccountIDs[0]); got != 2_01 {
		t.Errorf("the payee has %s", got.Yuan())
	}
	w.CheckLedger(t)
}
