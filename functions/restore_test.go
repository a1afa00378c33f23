package functions_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/uuid"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// state is everything that an order may change: balances, frozen amounts, used limits
// and quotas, counted attempts, and postings.
func state(t *testing.T, p bank.Pair) string {
	t.Helper()
	text := check.Value[string](t, p.Host.DB.Pool(), `
SELECT concat_ws(E'\n',
  (SELECT string_agg(concat_ws(' ', id, state, balance, held), E'\n' ORDER BY id) FROM account),
  (SELECT string_agg(l::text, E'\n' ORDER BY l) FROM limit_use l), (SELECT string_agg(q::text, E'\n' ORDER BY q) FROM otp_quota q),
  (SELECT string_agg(concat_ws(' ', customer_id, trade_failures, trade_in_flight, trade_locked_until), E'\n' ORDER BY customer_id)
     FROM credential),
  (SELECT count(*) FROM posting), (SELECT count(*) FROM entry), (SELECT count(*) FROM transfer))`)
	if strings.Count(text, "\n") < 6 {
		t.Fatalf("state %q", text)
	}
	return text
}

// order is a prepared transfer between the payer's own accounts, with its proofs.
type order struct {
	bank.Pair
	key    string
	proved stepup.Confirmation
}

func prepared(t *testing.T, p bank.Pair, amount money.Fen) order {
	t.Helper()
	return order{Pair: p, key: uuid.NewString(), proved: p.Proved(t, p.Prepare(t, p.ToOwn(amount)))}
}

func (o order) confirm(t *testing.T) bank.Reply {
	t.Helper()
	return o.Phone.Call(t, transferconfirm.Function, o.key, o.proved)
}

// If any of an order's writes fails, nothing changes, and the customer can still
// confirm the order.
func TestAnOrderThatFailsAtAnyStepChangesNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ERR-003.1")
	p := bank.NewPair(t, 1_000_00)
	prepared(t, p, 50_00).confirm(t).Want(t, "") // makes every row that an order changes
	o := prepared(t, p, 100_00)
	o.Exec(t, `
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the step fails'; END $$`)
	before := state(t, p)
	for _, table := range []string{"idempotency", "intent", "limit_use", "account", "posting", "entry", "transfer", "outbox"} {
		for _, when := range []string{"BEFORE", "AFTER"} {
			o.Exec(t, fmt.Sprintf("CREATE TRIGGER fail %s INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION fail()", when, table))
			if got := o.confirm(t); got.Status != http.StatusInternalServerError {
				t.Errorf("failing %s the write to %s: %d %s", when, table, got.Status, got.Body)
			}
			o.Exec(t, "DROP TRIGGER fail ON "+table)
			if after := state(t, p); after != before {
				t.Errorf("failing %s the write to %s changed\n%s\nto\n%s", when, table, before, after)
			}
		}
	}
	o.confirm(t).Want(t, "")
	if state(t, p) == before {
		t.Error("the order moved nothing")
	}
	p.CheckLedger(t)
}

// A customer gives up an order by logging out. The order changes nothing, and nobody
// can confirm it any more.
func TestAnOrderGivenUpChangesNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ERR-003.3")
	p := bank.NewPair(t, 1_000_00)
	before := state(t, p)
	o := prepared(t, p, 100_00)
	p.Phone.Call(t, functest.Named(t, "identity-logout"), "", struct{}{}).Want(t, "")
	if after := state(t, p); after != before {
		t.Errorf("the order given up changed\n%s\nto\n%s", before, after)
	}
	p.Phone.LoginAs(t, p.Payer)
	o.confirm(t).Want(t, "INTENT_EXPIRED")
	if after := state(t, p); !strings.HasSuffix(after, "\n1\n1\n0") {
		t.Errorf("the order given up was carried out: %s", after)
	}
}

// A refused order gives back the attempt that its right password counted, and a logout
// cancels open orders. Repeated, both change nothing more. An order holds nothing else
// that the bank would have to give back.
func TestUndoingTwiceChangesNothingMore(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ERR-003.4")
	p := bank.NewPair(t, 1_000_00)
	o := prepared(t, p, 100_00)
	o.Exec(t, "UPDATE account SET held = balance WHERE id = $1", p.Payer.AccountIDs[0])
	before := state(t, p)
	for range 7 { // more often than wrong passwords lock
		o.confirm(t).Want(t, "FUNDS_INSUFFICIENT")
		if after := state(t, p); after != before {
			t.Fatalf("the refused order changed\n%s\nto\n%s", before, after)
		}
	}
	for range 2 {
		var unit pg.Unit
		password.ResetTradeAttempts(&unit, p.Payer.ID)
		if err := p.Host.DB.Commit(t.Context(), &unit); err != nil || state(t, p) != before {
			t.Errorf("an attempt taken back again changed\n%s\nto\n%s (%v)", before, state(t, p), err)
		}
	}
	var states [2]string
	for i := range states {
		p.Phone.LoginAs(t, p.Payer)
		p.Phone.Call(t, functest.Named(t, "identity-logout"), "", struct{}{}).Want(t, "")
		states[i] = check.Value[string](t, p.Host.DB.Pool(), "SELECT i::text FROM intent i WHERE id = $1", o.proved.IntentID)
	}
	if states[0] != states[1] || !strings.Contains(states[0], "cancelled") || state(t, p) != before {
		t.Errorf("ended once %s, twice %s", states[0], states[1])
	}
}
