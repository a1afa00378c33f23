package functions_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// state is what an order may change: balances, frozen amounts, limits and quotas
// used, attempts counted, and what was posted.
func state(t *testing.T, b *bank.Bank) string {
	t.Helper()
	var text string
	err := b.Host.DB.Pool().QueryRow(t.Context(), `
SELECT concat_ws(E'\n',
  (SELECT string_agg(concat_ws(' ', id, state, balance, held), E'\n' ORDER BY id) FROM account),
  (SELECT string_agg(l::text, E'\n' ORDER BY l) FROM limit_use l), (SELECT string_agg(q::text, E'\n' ORDER BY q) FROM otp_quota q),
  (SELECT string_agg(concat_ws(' ', customer_id, trade_failures, trade_locked_until), E'\n' ORDER BY customer_id) FROM credential),
  (SELECT count(*) FROM posting), (SELECT count(*) FROM entry), (SELECT count(*) FROM transfer))`).Scan(&text)
	if err != nil || strings.Count(text, "\n") < 6 {
		t.Fatalf("state %q, %v", text, err)
	}
	return text
}

// order is a prepared transfer with its proofs.
type order struct {
	*bank.Bank
	phone  *bank.Device
	key    string
	id     uuid.UUID
	proofs map[string]any
}

// prepared prepares a transfer between the customer's own accounts, proved by the
// device's key and the trade password.
func prepared(t *testing.T, b *bank.Bank, phone *bank.Device, accounts []uuid.UUID, amount int) order {
	t.Helper()
	var in struct {
		ID   uuid.UUID `json:"intent_id"`
		Text string    `json:"text"`
	}
	phone.Call(t, byName(t, "transfer-prepare"), "", map[string]any{
		"debit_account_id": accounts[0], "payee_account_id": accounts[1], "amount_fen": amount,
	}).Into(t, &in)
	signature, err := sm.Sign(phone.Key, []byte(in.Text))
	check.Must(t, err)
	return order{b, phone, uuid.NewString(), in.ID, map[string]any{"intent_id": in.ID, "proofs": []any{
		map[string]any{"factor": "device_key", "signature": signature},
		map[string]any{"factor": "trade_password", "password": phone.Password(t, bank.TradePassword)},
	}}}
}

func (o order) confirm(t *testing.T) bank.Reply {
	t.Helper()
	return o.phone.Call(t, byName(t, "transfer-confirm"), o.key, o.proofs)
}

func (o order) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	o.Exec(t, sql, args...)
}

// Whichever of an order's writes fails, everything is as it was, and the order can
// still be carried out.
func TestAnOrderThatFailsAtAnyStepChangesNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ERR-003.1")
	b := bank.New(t)
	wang := b.Customer(t, "王小明", 1_000_00, 0)
	phone := b.Device(t, "phone-of-wang")
	phone.LoginAs(t, wang)
	prepared(t, b, phone, wang.AccountIDs, 50_00).confirm(t).Want(t, "") // so that every row there may be is there
	o := prepared(t, b, phone, wang.AccountIDs, 100_00)
	o.exec(t, `
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the step fails'; END $$`)
	before := state(t, b)
	for _, table := range []string{"idempotency", "intent", "limit_use", "account", "posting", "entry", "transfer", "outbox"} {
		for _, when := range []string{"BEFORE", "AFTER"} {
			o.exec(t, fmt.Sprintf("CREATE TRIGGER fail %s INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION fail()", when, table))
			if got := o.confirm(t); got.Status != http.StatusInternalServerError {
				t.Errorf("failing %s the write to %s: %d %s", when, table, got.Status, got.Body)
			}
			o.exec(t, "DROP TRIGGER fail ON "+table)
			if after := state(t, b); after != before {
				t.Errorf("failing %s the write to %s changed\n%s\nto\n%s", when, table, before, after)
			}
		}
	}
	o.confirm(t).Want(t, "")
	if state(t, b) == before {
		t.Error("the order moved nothing")
	}
	bank.Books(t, b.Host.DB, b.Host.Keys)
}

// An order that the customer gives up, by logging out, leaves nothing behind, and
// can't be carried out any more.
func TestAnOrderGivenUpChangesNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ERR-003.3")
	b := bank.New(t)
	wang := b.Customer(t, "王小明", 1_000_00, 0)
	phone := b.Device(t, "phone-of-wang")
	phone.LoginAs(t, wang)
	before := state(t, b)
	o := prepared(t, b, phone, wang.AccountIDs, 100_00)
	phone.Call(t, byName(t, "identity-logout"), "", struct{}{}).Want(t, "")
	if after := state(t, b); after != before {
		t.Errorf("the order given up changed\n%s\nto\n%s", before, after)
	}
	phone.LoginAs(t, wang)
	o.confirm(t).Want(t, "INTENT_EXPIRED")
	if after := state(t, b); !strings.HasSuffix(after, "\n1\n2\n0") {
		t.Errorf("the order given up was carried out: %s", after)
	}
}

// What takes something back, twice takes back no more: the attempt that a right
// password gets back when its order is refused, and the end of open orders. An
// order holds nothing else that would have to be given back.
func TestTakingBackTwiceChangesNothingMore(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ERR-003.4")
	b := bank.New(t)
	wang := b.Customer(t, "王小明", 1_000_00, 0)
	phone := b.Device(t, "phone-of-wang")
	phone.LoginAs(t, wang)
	o := prepared(t, b, phone, wang.AccountIDs, 100_00)
	o.exec(t, "UPDATE account SET held = balance WHERE id = $1", wang.AccountIDs[0])
	before := state(t, b)
	for range 7 { // more often than wrong passwords lock
		o.confirm(t).Want(t, "FUNDS_INSUFFICIENT")
		if after := state(t, b); after != before {
			t.Fatalf("the refused order changed\n%s\nto\n%s", before, after)
		}
	}
	var states [2]string
	for i := range states {
		phone.LoginAs(t, wang)
		phone.Call(t, byName(t, "identity-logout"), "", struct{}{}).Want(t, "")
		check.Must(t, b.Host.DB.Pool().QueryRow(t.Context(), "SELECT i::text FROM intent i WHERE id = $1", o.id).Scan(&states[i]))
	}
	if states[0] != states[1] || !strings.Contains(states[0], "cancelled") || state(t, b) != before {
		t.Errorf("ended once %s, twice %s", states[0], states[1])
	}
}
