package overview_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	accountoverview "github.com/tidebank/tidebank/functions/account/overview"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

func newPhone(t *testing.T, balances ...money.Fen) (*bank.Bank, *bank.Device, seed.Customer) {
	t.Helper()
	b := bank.New(t)
	phone := b.Device(t, "phone-of-wang")
	customer := b.Customer(t, "王小明", balances...)
	b.Customer(t, "李四", 77_00)
	phone.LoginAs(t, customer)
	return b, phone, customer
}

func TestTotalsAreTheSumsOfTheirParts(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-001.1")
	b, phone, customer := newPhone(t, 1_234_56, 0, 999_999_999_99)
	b.Exec(t, "UPDATE account SET held = 3456 WHERE id = $1", customer.AccountIDs[0])
	b.Exec(t, "UPDATE account SET state = 'lost' WHERE id = $1", customer.AccountIDs[2])
	b.Exec(t, "UPDATE account SET kind = 'class2' WHERE id = $1", customer.AccountIDs[1])
	for i, id := range customer.AccountIDs {
		b.Exec(t, "UPDATE account SET opened_at = $2 WHERE id = $1", id, bank.Start.AddDate(i-10, 0, 0))
	}
	var got accountoverview.Response
	reply := phone.Call(t, accountoverview.Function, "", struct{}{})
	reply.Into(t, &got)

	type line struct {
		Number, Kind, State      string
		Balance, Held, Available money.Fen
	}
	var lines []line
	var sum money.Fen
	for i, a := range got.Accounts {
		if a.AccountID != customer.AccountIDs[i] {
			t.Errorf("account %d is %s", i, a.AccountID)
		}
		lines = append(lines, line{a.NumberMasked, string(a.Kind), string(a.State), a.Balance, a.Held, a.Available})
		sum += a.Balance
	}
	number := func(i int) string { return mask.Account(customer.Accounts[i].No) }
	want := []line{
		{number(0), "debit", "open", 1_234_56, 34_56, 1_200_00},
		{number(1), "class2", "open", 0, 0, 0},
		{number(2), "debit", "lost", 999_999_999_99, 0, 999_999_999_99},
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	assets := accountoverview.Assets{Accounts: sum, Total: 1_234_56 + 999_999_999_99}
	totals := accountoverview.Response{Assets: got.Assets, Liabilities: got.Liabilities}
	if diff := cmp.Diff(accountoverview.Response{Assets: assets}, totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if sum := got.Assets.Accounts + got.Assets.Deposits + got.Assets.Wealth; sum != got.Assets.Total {
		t.Errorf("assets %d, parts %d", got.Assets.Total, sum)
	}
	if got.Liabilities.Total != got.Liabilities.Loans {
		t.Errorf("liabilities %d, parts %d", got.Liabilities.Total, got.Liabilities.Loans)
	}
	for _, secret := range []string{customer.Accounts[0].No, customer.Name, customer.Phone, customer.IDNo} {
		if strings.Contains(string(reply.Body), secret) {
			t.Errorf("the reply shows %q", secret)
		}
	}
}

func TestEveryPartIsNamedEvenAtZero(t *testing.T) {
	t.Parallel()
	_, phone, _ := newPhone(t)
	reply := phone.Call(t, accountoverview.Function, "", struct{}{})
	reply.Want(t, "")
	var got, want any
	golden := `{"assets":{"accounts_fen":0,"deposits_fen":0,"wealth_fen":0,"total_fen":0},
		"liabilities":{"loans_fen":0,"total_fen":0},"accounts":[]}`
	for text, into := range map[string]*any{string(reply.Body): &got, golden: &want} {
		check.Must(t, json.Unmarshal([]byte(text), into))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a customer without accounts (-want +got):\n%s", diff)
	}
}

func TestClosedAccountsAreLeftOut(t *testing.T) {
	t.Parallel()
	b, phone, customer := newPhone(t, 5_00, 0)
	b.Exec(t, "UPDATE account SET state = 'closed' WHERE id = $1", customer.AccountIDs[1])
	var got accountoverview.Response
	phone.Call(t, accountoverview.Function, "", struct{}{}).Into(t, &got)
	if len(got.Accounts) != 1 || got.Assets.Total != 5_00 {
		t.Fatalf("got %d accounts and %s in all", len(got.Accounts), got.Assets.Total.Yuan())
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b, phone, _ := newPhone(t, 5_00)
	b.Device(t, "stranger").Call(t, accountoverview.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	phone.Call(t, accountoverview.Function, "", map[string]any{"customer_id": "x"}).Want(t, "INPUT_INVALID")
	if got := b.Outbox(t, events.TypeAccessRecorded); len(got) != 1 {
		t.Fatalf("%d access records, want one of the call that was admitted", len(got))
	}
	b.Advance(2 * time.Minute)
	check.Must(t, fn.RecordRefused(t.Context(), b.Host))
	if got := b.Outbox(t, events.TypeAccessRecorded); len(got) != 2 {
		t.Fatalf("%d access records, want another of the call that was not admitted", len(got))
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b, phone, _ := newPhone(t, 5_00)
	b.Host.DB = pgtest.Broken(t)
	phone.Call(t, accountoverview.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
}
