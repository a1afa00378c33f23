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
	customer, err := b.Seeder().Add(t.Context(), seed.Person{
		Name: "赵六", IDNo: "110101199003079999", Phone: "13811112222", CardPassword: bank.CardPassword,
		Accounts: []seed.Account{
			{No: "6228480009999990001", Balance: 1_00},
			{No: "6228480009999990002", Kind: "class2", Balance: 2_00},
			{No: "6228480009999990003", Kind: "class3", Balance: 3_00},
		},
	})
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
