package seed_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// wang is the first demo customer, with a second account of another kind.
var wang = func() seed.Person {
	p := seed.Demo()[0]
	p.Accounts[1].Kind, p.Accounts[1].Balance = "class2", 0
	return p
}()

// rows are all that seeding writes, as text.
func rows(t *testing.T, b *bank.Bank) []string {
	t.Helper()
	return check.Column[string](t, b.Host.DB.Pool(), `
SELECT 'customer ' || c::text FROM customer c UNION ALL SELECT 'account ' || a::text FROM account a
UNION ALL SELECT 'posting ' || p::text FROM posting p UNION ALL SELECT 'entry ' || e::text FROM entry e ORDER BY 1`)
}

func TestSeedingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	first, err := b.Seeder().Add(t.Context(), wang)
	check.Must(t, err)
	before := rows(t, b)
	again, err := b.Seeder().Add(t.Context(), wang)
	check.Must(t, err)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("another customer (-first +again):\n%s", diff)
	}
	if diff := cmp.Diff(before, rows(t, b)); diff != "" {
		t.Errorf("rows (-before +after):\n%s", diff)
	}
	b.CheckLedger(t)
}

// The bank's opening account owes the sum of all balances, so that no money is made.
func TestBalancesSumToZero(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	c, err := b.Seeder().Add(t.Context(), wang)
	check.Must(t, err)
	b.Customer(t, "李芳", 88_888_88, 1)
	b.CheckLedger(t)
	check.Must(t, ledger.FoldAll(t.Context(), b.Host.DB)) // writes the internal account's entries
	balance := func(id uuid.UUID) money.Fen {
		return money.Fen(b.Count(t, "SELECT coalesce(sum(amount), 0)::bigint FROM entry WHERE account_id = $1", id))
	}
	got := []money.Fen{balance(c.AccountIDs[0]), balance(c.AccountIDs[1]), balance(seed.Opening)}
	if diff := cmp.Diff([]money.Fen{200_000_00, 0, -(200_000_00 + 88_888_88 + 1)}, got); diff != "" {
		t.Errorf("balances (-want +got):\n%s", diff)
	}
}

// The database stores personal data sealed. Each value opens in its place only, and an index finds it.
func TestPersonalDataRestsSealed(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	c, err := b.Seeder().Add(t.Context(), wang)
	check.Must(t, err)
	for _, row := range rows(t, b) {
		for _, clear := range []string{wang.Name, wang.IDNo, wang.Phone, wang.Accounts[0].No, wang.CardPassword} {
			if bytes.Contains([]byte(row), []byte(clear)) {
				t.Errorf("%s stands in clear in %s", clear, row)
			}
		}
	}
	var wrapped, name, number []byte
	var card, kind string
	err = b.Host.DB.Pool().QueryRow(t.Context(), `
SELECT c.data_key, c.name_ct, a.no_ct, a.card_password, b.kind
  FROM customer c JOIN account a ON a.id = $2 JOIN account b ON b.id = $3 WHERE c.phone_bidx = $1`,
		b.Host.Keys.BlindIndex("phone", wang.Phone), c.AccountIDs[0], c.AccountIDs[1],
	).Scan(&wrapped, &name, &number, &card, &kind)
	check.Must(t, err)
	key, err := b.Host.Keys.OpenDataKey(wrapped)
	check.Must(t, err)
	if got, err := key.Open(keys.AAD("customer", "name_ct", c.ID.String()), name); err != nil || string(got) != wang.Name {
		t.Errorf("name %q, %v", got, err)
	}
	at := keys.AAD("account", "no_ct", c.AccountIDs[0].String())
	if got, err := b.Host.Keys.Open(keys.Storage, at, number); err != nil || string(got) != wang.Accounts[0].No {
		t.Errorf("number %q, %v", got, err)
	}
	if !matches(t, b, password.OfCard(c.AccountIDs[0]), card, wang.CardPassword) || kind != "class2" {
		t.Errorf("card password: %s; kind %s", card, kind)
	}
}

// matches compares a password with a stored one.
func matches(t *testing.T, b *bank.Bank, at password.Place, stored, clear string) bool {
	t.Helper()
	turn, err := b.Passwords().Begin(t.Context())
	check.Must(t, err)
	defer turn.End()
	got, err := turn.Check(at, stored, []byte(clear))
	check.Must(t, err)
	return got.Right
}

// Signing up again replaces the passwords and the device's key.
func TestSignUpAgain(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	c := b.Customer(t, "王小明")
	for _, chosen := range []string{"before-2026", bank.LoginPassword} {
		check.Must(t, b.Seeder().SignUp(t.Context(), c, chosen, bank.TradePassword, "phone-of-wang", []byte(chosen)))
	}
	var login, trade string
	var key []byte
	check.Must(t, b.Host.DB.Pool().QueryRow(t.Context(), `
SELECT login_password, trade_password, public_key FROM credential k JOIN device d USING (customer_id) WHERE customer_id = $1`,
		c.ID).Scan(&login, &trade, &key))
	if !matches(t, b, password.OfLogin(c.ID), login, bank.LoginPassword) ||
		!matches(t, b, password.OfTrade(c.ID), trade, bank.TradePassword) || string(key) != bank.LoginPassword {
		t.Error("the second sign-up is not what holds")
	}
}

func TestSeedingWithoutADatabaseIsAnError(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	if _, err := b.Seeder().Add(t.Context(), wang); err == nil {
		t.Error("added")
	}
	if err := b.Seeder().SignUp(t.Context(), seed.Customer{}, "a", "b", "", nil); err == nil {
		t.Error("signed up")
	}
}
