// Package seed puts customers and accounts into a bank as its core systems would
// have them: for the local bank, tests and benchmarks.
//
// A seeded customer has a name, an identity number, a reserved phone and funded
// accounts, and has not signed up for mobile banking unless asked. Opening
// balances are postings from the internal account for them, so that the ledger
// sums to zero from the first fen. Seeding the same person again changes nothing.
package seed

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// Person is a customer as the core systems know one.
type Person struct {
	Name, IDNo, Phone string
	CardPassword      string // of the first account
	Accounts          []Account
}

// Account is one of a person's accounts.
type Account struct {
	No      string
	Kind    string // debit unless given
	Balance money.Fen
}

// Customer is a seeded person.
type Customer struct {
	Person
	ID         uuid.UUID
	AccountIDs []uuid.UUID
}

// Seeder writes people into one bank.
type Seeder struct {
	DB    *pg.DB
	Ring  *keys.Ring
	Clock clock.Clock
}

const (
	sqlCustomer = `-- seed.customer
INSERT INTO customer (id, data_key, name_ct, phone_ct, idno_ct, phone_bidx, idno_bidx, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`

	sqlCredential = `-- seed.credential
INSERT INTO credential (customer_id, login_password, trade_password) VALUES ($1, $2, $3)
ON CONFLICT (customer_id) DO UPDATE SET login_password = $2, trade_password = $3`

	sqlDevice = `-- seed.device
INSERT INTO device (customer_id, device_id, public_key) VALUES ($1, $2, $3)
ON CONFLICT (customer_id, device_id) DO UPDATE SET public_key = $3`
)

// space makes ids from what they stand for, so that seeding twice is seeding once.
var space = uuid.MustParse("7a1db4a2-0000-5000-8000-000000000001")

// Opening is the internal account that opening balances come from.
var Opening = uuid.NewSHA1(space, []byte("opening"))

// Add writes a person, or finds the one written before.
func (s Seeder) Add(ctx context.Context, p Person) (Customer, error) {
	c := Customer{Person: p, ID: uuid.NewSHA1(space, []byte("customer "+p.IDNo))}
	var unit pg.Unit
	if err := s.addCustomer(&unit, c); err != nil {
		return c, err
	}
	if err := s.addAccount(&unit, Opening, nil, "internal", "opening", ""); err != nil {
		return c, err
	}
	for i, a := range p.Accounts {
		id := uuid.NewSHA1(space, []byte("account "+a.No))
		c.AccountIDs = append(c.AccountIDs, id)
		kind, password := a.Kind, ""
		if kind == "" {
			kind = "debit"
		}
		if i == 0 {
			password = p.CardPassword
		}
		if err := s.addAccount(&unit, id, &c.ID, kind, a.No, password); err != nil {
			return c, err
		}
	}
	if err := s.DB.Commit(ctx, &unit); err != nil {
		return c, fmt.Errorf("seed customer: %w", err)
	}
	for i, a := range p.Accounts {
		if err := s.open(ctx, c.AccountIDs[i], a.Balance); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (s Seeder) addCustomer(unit *pg.Unit, c Customer) error {
	key, wrapped, err := s.Ring.NewDataKey()
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	var sealed [3][]byte
	for i, f := range []struct{ column, clear string }{{"name_ct", c.Name}, {"phone_ct", c.Phone}, {"idno_ct", c.IDNo}} {
		if sealed[i], err = key.Seal(keys.AAD("customer", f.column, c.ID.String()), []byte(f.clear)); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	}
	unit.Add(pg.Statement{SQL: sqlCustomer, Args: []any{
		c.ID, wrapped, sealed[0], sealed[1], sealed[2],
		s.Ring.BlindIndex("phone", c.Phone), s.Ring.BlindIndex("idno", c.IDNo), s.Clock.Now(),
	}})
	return nil
}

func (s Seeder) addAccount(unit *pg.Unit, id uuid.UUID, owner *uuid.UUID, kind, no, password string) error {
	sealed, err := s.Ring.Seal(keys.Storage, keys.AAD("account", "no_ct", id.String()), []byte(no))
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if password != "" {
		if password, err = sm.HashPassword([]byte(password)); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	}
	ledger.OpenAccount(unit, ledger.Account{
		ID: id, CustomerID: owner, Kind: kind, NumberSealed: sealed, NumberIndex: s.Ring.BlindIndex("account.no", no),
		NumberMasked: mask.Account(no), CardPassword: password, OpenedAt: s.Clock.Now(),
	})
	return nil
}

// open posts an account's opening balance, once.
func (s Seeder) open(ctx context.Context, account uuid.UUID, balance money.Fen) error {
	id := uuid.NewSHA1(space, []byte("opening "+account.String()))
	var done bool
	if err := s.DB.Pool().QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM posting WHERE id = $1)", id).Scan(&done); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if done || balance == 0 {
		return nil
	}
	now := s.Clock.Now().Truncate(time.Microsecond)
	var unit pg.Unit
	ledger.Post(&unit, ledger.Posting{
		ID: id, Kind: "opening", Debit: Opening, Credit: account, Amount: balance, Internal: true,
		BusinessDay: clock.BusinessDay(now), PostedAt: now, CreditSide: ledger.Side{Counterparty: "潮汐银行", Summary: "开户"},
	}, func(parts ...[]byte) ([]byte, string) { return s.Ring.MAC(keys.Ledger, parts...) })
	if err := s.DB.Commit(ctx, &unit); err != nil {
		return fmt.Errorf("seed opening balance: %w", err)
	}
	return nil
}

// SignUp gives a customer mobile banking with the passwords, and binds a device
// key (PKIX DER) if one is given.
func (s Seeder) SignUp(ctx context.Context, c Customer, loginPassword, tradePassword, deviceID string, key []byte) error {
	login, err := sm.HashPassword([]byte(loginPassword))
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	trade, err := sm.HashPassword([]byte(tradePassword))
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	var unit pg.Unit
	unit.Add(pg.Statement{SQL: sqlCredential, Args: []any{c.ID, login, trade}})
	if key != nil {
		unit.Add(pg.Statement{SQL: sqlDevice, Args: []any{c.ID, deviceID, key}})
	}
	if err := s.DB.Commit(ctx, &unit); err != nil {
		return fmt.Errorf("seed sign-up: %w", err)
	}
	return nil
}
