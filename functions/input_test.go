package functions_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// A field of another type, one that is far too long and one that nobody listed are
// refused, whether a customer's app sends them or the broker brings them.
func TestWrongFieldsAreRefusedWhoeverSendsThem(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-001.2")
	j := newJourney(t)
	j.travel(t)
	j.await(t)
	before := j.what(t)
	tried := 0
	for _, f := range functions.All() {
		if isEvent(f) {
			continue
		}
		send := func(body json.RawMessage) bank.Reply {
			tried++
			if f.Spec.NoChannel {
				return j.try(t, f, body)
			}
			return j.try(t, f, j.phone.Frame(t, f, uuid.NewString(), body))
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
			if f.Spec.Name == "audit-on-event" { // keeps whatever the bank has told, as it was told
				continue
			}
			wrong := map[string]any{}
			for _, field := range fields(reflect.TypeOf(dataOf(t, kind))) {
				wrong[field] = []any{1}
			}
			good := j.Event(t, uuid.NewString(), kind, "x", dataOf(t, kind))
			more := good.Clone()
			var data map[string]any
			check.Must(t, json.Unmarshal(good.Data(), &data))
			data["no_such_field"] = 1
			check.Must(t, more.SetData(cloudevents.ApplicationJSON, data))
			for name, e := range map[string]cloudevents.Event{
				"another type": j.Event(t, uuid.NewString(), kind, "x", wrong), "an unknown field": more,
				"far too long": j.Event(t, uuid.NewString(), kind, "x", map[string]any{"x": strings.Repeat("x", 64<<10)}),
			} {
				if got := j.Deliver(t, f, e); got != http.StatusBadRequest {
					t.Errorf("%s answered %d to a %s with %s", f.Spec.Name, got, kind, name)
				}
				delivered++
			}
		}
	}
	if tried < 160 || delivered < 9 {
		t.Fatalf("%d requests and %d events were tried", tried, delivered)
	}
	if j.what(t) != before {
		t.Error("something changed")
	}
}

// What was accepted is stored, added up and answered to the last fen.
func TestAmountsAreExact(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-001.3")
	b := bank.New(t)
	const opening = 900_000_07
	wang := b.Customer(t, "王小明", opening, 0)
	phone := b.Device(t, "phone-of-wang")
	phone.LoginAs(t, wang)
	var sum int64
	for _, amount := range []int64{1, 9, 10, 11, 99, 29, 70, 1_01, 9_99, 1_234_56, 8_765_43, 9_999_99} {
		var view struct {
			ID     string `json:"transfer_id"`
			Amount int64  `json:"amount_fen"`
		}
		prepared(t, b, phone, wang.AccountIDs, int(amount)).confirm(t).Into(t, &view)
		sum += amount
		var stored, entries int64
		err := b.Host.DB.Pool().QueryRow(t.Context(), `
SELECT (SELECT amount FROM transfer WHERE id = $1), (SELECT amount FROM entry WHERE posting_id = $1 AND amount > 0)`,
			view.ID).Scan(&stored, &entries)
		if err != nil || view.Amount != amount || stored != amount || entries != amount {
			t.Errorf("%d was answered as %d, stored as %d and entered as %d: %v", amount, view.Amount, stored, entries, err)
		}
		var overview struct {
			Assets struct {
				Total int64 `json:"total_fen"`
			} `json:"assets"`
			Accounts []struct {
				ID      uuid.UUID `json:"account_id"`
				Balance int64     `json:"balance_fen"`
			} `json:"accounts"`
		}
		phone.Call(t, byName(t, "account-overview"), "", struct{}{}).Into(t, &overview)
		balances := map[uuid.UUID]int64{}
		for _, a := range overview.Accounts {
			balances[a.ID] = a.Balance
		}
		if overview.Assets.Total != opening || balances[wang.AccountIDs[0]] != opening-sum || balances[wang.AccountIDs[1]] != sum {
			t.Errorf("after %d the accounts show %+v", amount, overview)
		}
	}
	bank.Books(t, b.Host.DB, b.Host.Keys)
}
