package confirm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/test/bank"
)

// openUnbound opens the cells of devices without a key, which a new bank has closed.
func openUnbound(t *testing.T, b *bank.Bank) {
	t.Helper()
	b.Exec(t, `
INSERT INTO stepup_rule
SELECT operation, scene, device, grade, up_to, combinations, '2026-01-03', 'one person', 'another person'
  FROM stepup_rule WHERE device = 'unbound' AND cardinality(combinations) > 0`)
}

// Where a bank lets a device without a bound key pay, it is not offered the key. If nothing
// else is enough, the customer is told to bind the device, at the preparation and at the
// confirmation.
func TestADeviceWithoutAKeyIsNotOfferedIt(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	openUnbound(t, w.Bank)
	w.Exec(t, "DELETE FROM device WHERE customer_id = $1", w.Payer.ID)
	only := []string{"sms_otp+trade_password"}
	in := w.prepare(t, 1_00)
	if diff := cmp.Diff(only, in.Combinations); diff != "" {
		t.Errorf("to others (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"trade_password"}, w.Prepare(t, w.ToOwn(1_00)).Combinations); diff != "" {
		t.Errorf("between own accounts (-want +got):\n%s", diff)
	}
	refused := w.Phone.Call(t, transferconfirm.Function, "key", confirmation(in.IntentID, w.Known(t)))
	refused.Want(t, "STEPUP_STRONGER")
	if !cmp.Equal(refused.Problem.Combinations, only) || !cmp.Equal(refused.Problem.Missing, []string{"sms_otp"}) {
		t.Errorf("told %s", refused.Body)
	}
	w.Exec(t, "UPDATE customer SET risk_grade = 1 WHERE id = $1", w.Payer.ID)
	w.Phone.Call(t, transferconfirm.Function, "key", confirmation(in.IntentID, w.Known(t))).Want(t, "DEVICE_UNBOUND")
	w.Phone.Call(t, transferprepare.Function, "", w.request(1_00)).Want(t, "DEVICE_UNBOUND")
}

// The key is lost after the preparation: the confirmation does not offer it either.
func TestAKeyThatIsGoneIsNotOffered(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	w.Exec(t, "DELETE FROM device WHERE customer_id = $1", w.Payer.ID)
	refused := w.Phone.Call(t, transferconfirm.Function, "key", confirmation(in.IntentID, w.Known(t)))
	refused.Want(t, "STEPUP_STRONGER")
	if want := []string{"sms_otp+trade_password"}; !cmp.Equal(refused.Problem.Combinations, want) {
		t.Errorf("told %s", refused.Body)
	}
}

// Above the cap, the refusal tells the largest amount. A young key that is needed and
// confirms less is a limit.
func TestAboveTheCapTheLargestAmountIsTold(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 100_000_00)
	refused := w.Phone.Call(t, transferprepare.Function, "", w.request(50_000_01))
	if refused.Want(t, "STEPUP_STRONGER"); refused.Problem.Most == nil || *refused.Problem.Most != 50_000_00 {
		t.Errorf("told %s", refused.Body)
	}
	w.Exec(t, "UPDATE device SET bound_at = $1", w.Clock.Now())
	w.Exec(t, "UPDATE customer SET risk_grade = 1 WHERE id = $1", w.Payer.ID)
	w.Phone.Call(t, transferprepare.Function, "", w.request(5_000_01)).Want(t, "LIMIT_EXCEEDED")
	w.Phone.Call(t, transferprepare.Function, "", w.request(5_000_00)).Want(t, "")
}
