package flow_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/test/req"
)

// TestOnlyWhatWasVerifiedHappens submits a step again with other values, sends
// other values beside the proofs, and leaves orders unconfirmed.
func TestOnlyWhatWasVerifiedHappens(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-008.2", "LOGIC-009.1", "LOGIC-009.2")
	p := newFixture(t)
	never := p.Customer(t, "欧阳不在", 1_00)
	mismatch := p.order(p.wang, p.li, 77_77)
	mismatch["payee_name"], mismatch["memo"] = never.Name, "从未核实的附言"
	call(t, p.wang.phone, "transfer-prepare", mismatch).Want(t, "PAYEE_MISMATCH")

	in := p.prepare(t, p.wang, p.li, 1_23)
	again := p.order(p.wang, person{Customer: never}, 88_88) // the same step with other values
	again["memo"] = "从未核实的附言"
	call(t, p.wang.phone, "transfer-prepare", again).Want(t, "")
	final := proved(t, p.wang, in)
	for field, value := range map[string]any{
		"amount_fen": 99_99, "payee_account_no": never.Accounts[0].No, "payee_name": never.Name, "memo": "从未核实的附言",
		"debit_account_id": p.wang.AccountIDs[1], "plan": fields{"amount_fen": 99_99}, "text": "潮汐银行转账确认",
	} {
		if got := call(t, p.wang.phone, "transfer-confirm", with(final, field, value)); got.Code != "INPUT_INVALID" {
			t.Errorf("with %s: %q, want INPUT_INVALID", field, got.Code)
		}
	}
	var view struct {
		Amount int64  `json:"amount_fen"`
		Payee  string `json:"payee_name_masked"`
		Memo   string `json:"memo"`
	}
	reply := call(t, p.wang.phone, "transfer-confirm", final)
	reply.Into(t, &view)
	if view.Amount != 1_23 || view.Payee != "*四" || view.Memo != "" {
		t.Errorf("executed %+v, verified 1.23 to *四", view)
	}
	if got := p.Balance(t, never.AccountIDs[0]); got != 1_00 {
		t.Errorf("the payee who was never verified has %s", got.Yuan())
	}
	if got := p.Balance(t, p.li.AccountIDs[0]); got != 100_001_23 {
		t.Errorf("the payee has %s", got.Yuan())
	}
	p.wantNothingOf(t, never, 77_77, 88_88, 99_99)
	p.CheckLedger(t)
}

// wantNothingOf sees that no order and no posting holds the customer's account or
// one of the amounts, and that the payer is shown one transfer.
func (p fixture) wantNothingOf(t *testing.T, c seed.Customer, amounts ...int64) {
	t.Helper()
	found := p.Count(t, `
SELECT (SELECT count(*) FROM transfer WHERE credit_id = ANY ($1) OR amount = ANY ($2))
     + (SELECT count(*) FROM posting WHERE kind = 'transfer' AND (credit_id = ANY ($1) OR amount = ANY ($2)))
     + (SELECT count(*) FROM entry WHERE abs(amount) = ANY ($2) OR summary LIKE '%从未核实%' OR counterparty LIKE '%不在%')`,
		c.AccountIDs, amounts)
	if found != 0 {
		t.Errorf("%d orders, postings and entries hold what was never verified", found)
	}
	var list struct {
		Transfers []struct {
			Memo string `json:"memo"`
		} `json:"transfers"`
	}
	reply := call(t, p.wang.phone, "transfer-list", fields{})
	reply.Into(t, &list)
	if len(list.Transfers) != 1 || strings.Contains(string(reply.Body), "从未核实") {
		t.Errorf("the payer's transfers: %s", reply.Body)
	}
	if slices.ContainsFunc(amounts, func(a int64) bool { return a == 1_23 }) {
		t.Error("the verified amount is not one to look for")
	}
}
