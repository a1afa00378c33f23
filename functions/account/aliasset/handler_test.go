package aliasset_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/account"
	accountaliasset "github.com/tidebank/tidebank/functions/account/aliasset"
	accountdetail "github.com/tidebank/tidebank/functions/account/detail"
	accountoverview "github.com/tidebank/tidebank/functions/account/overview"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// fixture is a pair of customers. The payee is logged in too, on another phone.
type fixture struct {
	bank.Pair
	other *bank.Device
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	w := fixture{Pair: bank.NewPair(t, 5_00)}
	w.other = w.Device(t, "phone-of-li")
	w.other.LoginAs(t, w.Payee)
	return w
}

func (w fixture) name(t *testing.T, id uuid.UUID, alias string) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, accountaliasset.Function, "", map[string]any{"account_id": id, "alias": alias})
}

// seen are the accounts that a customer's phone shows, with their names.
func seen(t *testing.T, phone *bank.Device) map[uuid.UUID]string {
	t.Helper()
	var all accountoverview.Response
	phone.Call(t, accountoverview.Function, "", struct{}{}).Into(t, &all)
	names := map[uuid.UUID]string{}
	for _, a := range all.Accounts {
		var one account.View
		phone.Call(t, accountdetail.Function, "", map[string]any{"account_id": a.AccountID}).Into(t, &one)
		if diff := cmp.Diff(a, one); diff != "" {
			t.Errorf("the overview and the detail differ (-overview +detail):\n%s", diff)
		}
		names[a.AccountID] = a.Alias
	}
	return names
}

func (w fixture) want(t *testing.T, mine string) {
	t.Helper()
	want := map[uuid.UUID]string{w.Payer.AccountIDs[0]: mine, w.Payer.AccountIDs[1]: ""}
	if diff := cmp.Diff(want, seen(t, w.Phone)); diff != "" {
		t.Errorf("the caller's accounts (-want +got):\n%s", diff)
	}
	unnamed := map[uuid.UUID]string{w.Payee.AccountIDs[0]: "", w.Payee.AccountIDs[1]: ""}
	if diff := cmp.Diff(unnamed, seen(t, w.other)); diff != "" {
		t.Errorf("another customer's accounts (-want +got):\n%s", diff)
	}
}

func TestAnAliasIsShownToItsCustomerOnly(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-005.1")
	w := newFixture(t)
	w.want(t, "")
	for _, alias := range []string{"工资卡", "工资卡", "x", strings.Repeat("房", 20), "for the 'rent' & more"[:20]} {
		var reply account.View
		w.name(t, w.Payer.AccountIDs[0], alias).Into(t, &reply)
		if reply.AccountID != w.Payer.AccountIDs[0] || reply.Alias != alias || reply.Balance != 5_00 {
			t.Errorf("%q: the reply is %+v", alias, reply)
		}
		w.want(t, alias)
	}
}

func TestAnAliasThatIsRefusedLeavesTheOldName(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ACCT-005.2")
	w := newFixture(t)
	w.name(t, w.Payer.AccountIDs[0], "old").Want(t, "")
	for name, alias := range map[string]string{
		"21 characters": strings.Repeat("房", 21), "nothing": "", "blank": "   ", "line feed": "a\nb", "NUL": "a\x00b",
		"escape": "a\x1bb", "delete": "a\x7fb", "C1": "a\u0085b", "right to left": "a\u202eb", "zero width": "a\u200bb",
		"a filler": "\u3164", "fillers": "\u3164 \uffa0", "no dot of Braille": "\u2800", "an accent alone": "\u0301",
	} {
		got := w.name(t, w.Payer.AccountIDs[0], alias)
		if got.Code != "INPUT_INVALID" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	w.want(t, "old")
}

func TestForeignAndNoAccountAreOneAnswer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	foreign, none := w.name(t, w.Payee.AccountIDs[0], "mine"), w.name(t, uuid.New(), "mine")
	foreign.Want(t, "OBJECT_NOT_FOUND")
	bank.WantSame(t, "a foreign account", foreign, none)
	w.name(t, seed.Opening, "mine").Want(t, "OBJECT_NOT_FOUND")
	w.want(t, "")
}

func TestNumbersInAnAliasAreMasked(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	var reply account.View
	w.name(t, w.Payer.AccountIDs[0], "13907770007").Into(t, &reply)
	if strings.Contains(reply.Alias, "7777") || !strings.HasPrefix(reply.Alias, "139") {
		t.Errorf("the alias is shown as %q", reply.Alias)
	}
	w.want(t, reply.Alias)
}

// An alias stands in clear in no table, and the same alias of two accounts looks
// different. A sealed alias that was moved to another account does not open.
func TestAnAliasRestsSealed(t *testing.T) {
	t.Parallel()
	const alias = "老王房租 13907770007"
	w := newFixture(t)
	for _, id := range w.Payer.AccountIDs {
		w.name(t, id, alias).Want(t, "")
	}
	for line := range strings.Lines(w.Stored(t)) {
		for _, clear := range []string{"老王房租", "13907770007", hex.EncodeToString([]byte("老王房租"))} {
			if strings.Contains(line, clear) {
				t.Errorf("%q stands in clear: %s", clear, line)
			}
		}
	}
	sealed := check.Column[[]byte](t, w.Host.DB.Pool(), "SELECT alias_ct FROM account WHERE alias_ct <> ''")
	if len(sealed) != 2 || bytes.Equal(sealed[0], sealed[1]) {
		t.Fatalf("sealed as %x", sealed)
	}
	from, to := w.Payer.AccountIDs[0], w.Payer.AccountIDs[1]
	check.Exec(t, w.Host.DB.Pool(), "UPDATE account SET alias_ct = (SELECT alias_ct FROM account WHERE id = $1) WHERE id = $2", from, to)
	w.Phone.Call(t, accountdetail.Function, "", map[string]any{"account_id": to}).Want(t, "INTERNAL_ERROR")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	request := map[string]any{"account_id": w.Payer.AccountIDs[0], "alias": "x", "customer_id": w.Payer.ID}
	w.Phone.Call(t, accountaliasset.Function, "", request).Want(t, "INPUT_INVALID")
	w.Device(t, "stranger").Call(t, accountaliasset.Function, "", request).Want(t, "SESSION_REQUIRED")
	w.want(t, "")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.Host.DB = pgtest.Broken(t)
	w.name(t, w.Payer.AccountIDs[0], "x").Want(t, "SERVICE_UNAVAILABLE")
}
