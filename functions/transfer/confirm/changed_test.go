package confirm_test

import (
	"testing"

	"github.com/google/uuid"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// wantUnposted confirms and sees that the refusal has a text of its own and that
// nothing has moved.
func (w fixture) wantUnposted(t *testing.T, proofs stepup.Confirmation, code string) {
	t.Helper()
	before := w.Balance(t, w.Payer.AccountIDs[0])
	got := w.Confirm(t, proofs)
	got.Want(t, code)
	if text, ok := bankerr.Lookup(code); !ok || got.Problem.Title != text.Title {
		t.Errorf("%s: %q", code, got.Problem.Title)
	}
	posted := w.Count(t, "SELECT count(*) FROM transfer WHERE intent_id = $1", proofs.IntentID)
	after := w.Balance(t, w.Payer.AccountIDs[0])
	if posted > 0 && code != "INTENT_USED" || after != before {
		t.Errorf("%s: %d transfers, the payer has %s", code, posted, after.Yuan())
	}
}

func TestAccountsClosedSincePrepare(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-010.1")
	w := newFixture(t, 1_000_00)
	for _, account := range []uuid.UUID{w.Payer.AccountIDs[0], w.Payee.AccountIDs[0]} {
		in := w.prepare(t, 1_00)
		proofs := w.proofs(t, in)
		w.Exec(t, "UPDATE account SET state = 'closed' WHERE id = $1", account)
		w.wantUnposted(t, proofs, "ACCOUNT_CLOSED")
		w.Exec(t, "UPDATE account SET state = 'open' WHERE id = $1", account)
		w.Confirm(t, w.proofs(t, in)).Want(t, "")
	}
	w.CheckLedger(t)
}

// An instruction does not execute if its number is unknown or another customer's, or if
// it was used, cancelled or has expired.
func TestInstructionsThatDoNotExecute(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-010.3")
	w := newFixture(t, 1_000_00)
	in := w.prepare(t, 1_00)
	wrong := w.proofs(t, in)
	wrong.IntentID = uuid.New()
	w.wantUnposted(t, wrong, "OBJECT_NOT_FOUND")
	used := w.proofs(t, in)
	w.Phone.Call(t, transferconfirm.Function, "used", used).Want(t, "")
	w.wantUnposted(t, used, "INTENT_USED")
	cancelled := w.proofs(t, w.prepare(t, 1_00))
	var unit pg.Unit
	stepup.CancelAll(&unit, w.Payer.ID)
	check.Must(t, w.Host.DB.Commit(t.Context(), &unit))
	w.wantUnposted(t, cancelled, "INTENT_EXPIRED")
	late := w.prepare(t, 1_00)
	w.Exec(t, "UPDATE intent SET expires_at = $2 WHERE id = $1",
		late.IntentID, w.Clock.Now())
	w.wantUnposted(t, w.proofs(t, late), "INTENT_EXPIRED")
	w.CheckLedger(t)
}
