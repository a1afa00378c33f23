package losslift_test

import (
	"testing"

	"github.com/google/uuid"

	accountchangeprepare "github.com/tidebank/tidebank/functions/account/changeprepare"
	accountlosslift "github.com/tidebank/tidebank/functions/account/losslift"
	"github.com/tidebank/tidebank/test/bank"
)

// Only a lost account of the caller is lifted. An account that was frozen after the preparation stays
// frozen.
func TestOnlyALostAccountIsLifted(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 5_00)
	lift := func(id uuid.UUID) map[string]any { return map[string]any{"change": "loss_lift", "account_id": id} }
	mine := w.Payer.AccountIDs[0]
	w.Phone.Call(t, accountchangeprepare.Function, "", lift(mine)).Want(t, "ACCOUNT_NOT_LOST")
	w.Exec(t, "UPDATE account SET state = 'lost'")
	foreign := w.Phone.Call(t, accountchangeprepare.Function, "", lift(w.Payee.AccountIDs[0]))
	foreign.Want(t, "OBJECT_NOT_FOUND")
	bank.WantSame(t, "a foreign account", foreign, w.Phone.Call(t, accountchangeprepare.Function, "", lift(uuid.New())))

	in := w.PrepareAccount(t, lift(mine))
	if in.Function != "account-loss-lift" {
		t.Errorf("%+v", in)
	}
	w.Exec(t, "UPDATE account SET state = 'frozen' WHERE id = $1", mine)
	confirm := func() bank.Reply {
		return w.Phone.ConfirmBy(t, accountlosslift.Function, in.IntentID, w.Phone.SignedText(t, in.Text), w.Known(t))
	}
	confirm().Want(t, "ACCOUNT_NOT_LOST")
	if n := w.Count(t, "SELECT count(*) FROM account WHERE id = $1 AND state = 'frozen'", mine); n != 1 {
		t.Error("the frozen account is open")
	}
	w.Exec(t, "UPDATE account SET state = 'lost' WHERE id = $1", mine)
	confirm().Want(t, "")
	confirm().Want(t, "INTENT_USED")
}
