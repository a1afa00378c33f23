package prepare_test

import (
	"testing"

	"github.com/tidebank/tidebank/shared/money"
)

// A payee is found by name and number as people write them, and only by the right ones.
func TestPayeesAreFoundInEverySpelling(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1_000_00)
	for stored, spellings := range map[string][]string{
		"买买提·吐尔逊":     {"买买提·吐尔逊", "买买提•吐尔逊", "买买提・吐尔逊", "买买提·吐尔逊 "},
		"José Li":     {"José Li", "Jose\u0301 Li", "José  Li"},
		"王\U0002EBF0": {"王\U0002EBF0"},
	} {
		payee := w.Customer(t, stored, money.Fen(0))
		number := payee.Accounts[0].No
		for _, spelling := range spellings {
			request := w.toOther(1)
			request["payee_name"], request["payee_account_no"] = spelling, number
			w.call(t, request).Want(t, "")
			request["payee_account_no"] = number[:4] + " " + number[4:8] + "-" + number[8:]
			w.call(t, request).Want(t, "")
			request["payee_name"] = spelling + "甲"
			w.call(t, request).Want(t, "PAYEE_MISMATCH")
		}
	}
}
