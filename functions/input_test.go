package functions_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// The bank refuses a field of another type, one that is far too long and one that no
// schema lists, from a customer's app and from the broker alike.
func TestWrongFieldsAreRefusedWhoeverSendsThem(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-001.2")
	j := newJourney(t)
	j.travel(t)
	j.await(t)
	before := j.unchanging(t)
	tried := 0
	for _, f := range functions.All() {
		if isEvent(f) {
			continue
		}
		send := func(body json.RawMessage) bank.Reply {
			tried++
			if f.Spec.NoChannel {
				return j.Phone.Send(t, f, body)
			}
			return j.Phone.Send(t, f, j.Phone.Frame(t, f, uuid.NewString(), body))
		}
		for _, place := range places(f.Request, "") {
			for _, value := range []any{map[string]any{"x": 1}, []any{[]any{}}, 1.5} {
				if got := send(j.spoilt(t, f.Spec.Name, place, value)); got.Code != "INPUT_INVALID" {
					t.Errorf("%s with %v for %s: %q", f.Spec.Name, value, place, got.Code)
				}
			}
			if got := send(j.spoilt(t, f.Spec.Name, place, strings.Repeat("9", 5000))); got.Code == "" || got.Status >= 500 {
				t.Errorf("%s with 5000 characters for %s: %d %q", f.Spec.Name, place, got.Status, got.Code)
			}
		}
		if got := send(j.spoilt(t, f.Spec.Name, "no_such_field", 1)); got.Code != "INPUT_INVALID" {
			t.Errorf("%s with an unknown field: %q", f.Spec.Name, got.Code)
		}
	}
	delivered := 0
	for _, f := range functions.All() {
		for _, kind := range f.Spec.Consumes {
			if f.Spec.Name == "audit-on-event" { // it keeps each event of the bank unchanged
				continue
			}
			wrong := map[string]any{}
			for _, field := range fields(reflect.TypeOf(dataOf(t, kind))) {
				wrong[field] = []any{1}
			}
			good := j.Event(t, uuid.NewString(), kind, "x", dataOf(t, kind))
			more := good.Clone()
			var data map[string]any
			check.Must(t, json.Unmarshal(good.Data, &data))
			data["no_such_field"] = 1
			check.Must(t, more.SetJSON(data))
			for name, e := range map[string]cloudevent.Event{
				"another type": j.Event(t, uuid.NewString(), kind, "x", wrong), "an unknown field": more,
				"far too long": j.Event(t, uuid.NewString(), kind, "x", map[string]any{"x": strings.Repeat("x", 64<<10)}),
			} {
				want := http.StatusBadRequest
				if name == "far too long" {
					want = http.StatusRequestEntityTooLarge
				}
				if got := j.Deliver(t, f, e); got != want {
					t.Errorf("%s answered %d to a %s with %s", f.Spec.Name, got, kind, name)
				}
				delivered++
			}
		}
	}
	if tried < 160 || delivered < 9 {
		t.Fatalf("%d requests and %d events were tried", tried, delivered)
	}
	if j.unchanging(t) != before {
		t.Error("something changed")
	}
}

// The bank stores, adds up and answers each amount to the last fen.
func TestAmountsAreExact(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-001.3")
	const opening = 900_000_07
	p := bank.NewPair(t, opening)
	var sum money.Fen
	for _, amount := range []money.Fen{1, 9, 10, 11, 99, 29, 70, 1_01, 9_99, 1_234_56, 8_765_43, 9_999_99} {
		var view transfer.View
		prepared(t, p, amount).confirm(t).Into(t, &view)
		sum += amount
		stored := p.Count(t, "SELECT amount FROM transfer WHERE id = $1", view.TransferID)
		entered := p.Count(t, "SELECT amount FROM entry WHERE posting_id = $1 AND amount > 0", view.TransferID)
		if view.Amount != amount || stored != int(amount) || entered != int(amount) {
			t.Errorf("%d was answered as %d, stored as %d and entered as %d", amount, view.Amount, stored, entered)
		}
		var overview struct {
			Assets struct {
				Total money.Fen `json:"total_fen"`
			} `json:"assets"`
			Accounts []struct {
				ID      uuid.UUID `json:"account_id"`
				Balance money.Fen `json:"balance_fen"`
			} `json:"accounts"`
		}
		p.Phone.Call(t, functest.Named(t, "account-overview"), "", struct{}{}).Into(t, &overview)
		balances := map[uuid.UUID]money.Fen{}
		for _, a := range overview.Accounts {
			balances[a.ID] = a.Balance
		}
		first, second := balances[p.Payer.AccountIDs[0]], balances[p.Payer.AccountIDs[1]]
		if overview.Assets.Total != opening || first != opening-sum || second != sum {
			t.Errorf("after %d the accounts show %+v", amount, overview)
		}
	}
	p.CheckLedger(t)
}
