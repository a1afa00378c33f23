package overview_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	accountoverview "github.com/tidebank/tidebank/functions/account/overview"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// A customer with one account of each kind sees all of them, each with its kind.
func TestEachKindOfAccountIsListed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-007.1")
	b := bank.New(t)
	zhao := seed.Made("赵六", 100, 1_00, 2_00, 3_00)
	zhao.Accounts[1].Kind, zhao.Accounts[2].Kind = "class2", "class3"
	customer, err := b.Seeder().Add(t.Context(), zhao)
	check.Must(t, err)
	phone := b.Device(t, "phone-of-zhao")
	phone.LoginAs(t, customer)
	var got accountoverview.Response
	phone.Call(t, accountoverview.Function, "", struct{}{}).Into(t, &got)
	kinds := map[string]money.Fen{}
	for _, a := range got.Accounts {
		kinds[string(a.Kind)] = a.Balance
	}
	if diff := cmp.Diff(map[string]money.Fen{"debit": 1_00, "class2": 2_00, "class3": 3_00}, kinds); diff != "" {
		t.Errorf("balances by kind (-want +got):\n%s", diff)
	}
}
