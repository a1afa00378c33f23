// Package seed writes customers and accounts into a bank, as its core systems would,
// for the local bank, tests and benchmarks.
//
// A seeded customer has a name, an identity number, a reserved phone and funded
// accounts. The customer has not signed up for mobile banking; SignUp does that. An
// opening balance is a posting from the internal account Opening, so the sum of the
// ledger is always zero. Seeding the same person again changes nothing.
package seed

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/token"
)

// Person is a customer as the core systems store them.
type Person struct {
	Name, IDNo, Phone string
	CardPassword      string // card password of the first account
	Accounts          []Account
}

// Account is one of a person's accounts.
type Account struct {
	No      string
	Kind    ledger.Kind // KindDebit if empty
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
	DB        *pg.DB
	Ring      *keys.Ring
	Passwords *password.Store
	Clock     clock.Clock
}

// space is the namespace of the ids: the same person and account always get the same
// ids.
var space = uuid.MustParse("7a1db4a2-0000-5000-8000-000000000001")

// Opening is the internal account that pays opening balances.
var Opening = uuid.NewSHA1(space, []byte("opening"))

// Add writes a person, or finds the person that an earlier Add wrote.
func (s Seeder) Add(ctx context.Context, p Person) (Customer, error) {
	c := Customer{Person: p, ID: uuid.NewSHA1(space, []byte("customer "+p.IDNo))}
	var unit pg.Unit
	err := customer.Insert(ctx, &unit, s.Ring, customer.Record{
		ID: c.ID, Name: c.Name, Phone: c.Phone, IDNo: c.IDNo, CreatedAt: s.Clock.Now(),
	})
	if err != nil {
		return c, fmt.Errorf("seed: %w", err)
	}
	if err := s.addAccount(&unit, Opening, nil, ledger.KindInternal, "opening", ""); err != nil {
		return c, err
	}
	for i, a := range p.Accounts {
		id := uuid.NewSHA1(space, []byte("account "+a.No))
		c.AccountIDs = append(c.AccountIDs, id)
		kind, card := a.Kind, ""
		if kind == "" {
			kind = ledger.KindDebit
		}
		if i == 0 && p.CardPassword != "" {
			if card, err = s.hashCard(ctx, id, p.CardPassword); err != nil {
				return c, err
			}
		}
		if err := s.addAccount(&unit, id, &c.ID, kind, a.No, card); err != nil {
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

// hashCard returns the text to store for the card password of an account.
func (s Seeder) hashCard(ctx context.Context, account uuid.UUID, clear string) (string, error) {
	turn, err := s.Passwords.Begin(ctx)
	if err != nil {
		return "", fmt.Errorf("seed: %w", err)
	}
	defer turn.End()
	text, err := turn.Hash(password.OfCard(account), []byte(clear))
	if err != nil {
		return "", fmt.Errorf("seed: %w", err)
	}
	return text, nil
}

func (s Seeder) addAccount(unit *pg.Unit, id uuid.UUID, owner *uuid.UUID, kind ledger.Kind, no, card string) error {
	sealed, err := s.Ring.Seal(keys.Storage, keys.AAD("account", "no_ct", id.String()), []byte(no))
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	ledger.OpenAccount(unit, ledger.Account{
		ID: id, CustomerID: owner, Kind: kind, NumberSealed: sealed, NumberIndex: ledger.NumberIndex(s.Ring, no),
		NumberMasked: mask.Account(no), CardPassword: card, OpenedAt: s.Clock.Now(),
	})
	return nil
}

// HandOut hands a dynamic token out to the customer, who has yet to bind it.
func (s Seeder) HandOut(ctx context.Context, c Customer, t token.Token) error {
	var unit pg.Unit
	if err := token.Issue(&unit, s.Ring, c.ID, t); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if err := s.DB.Commit(ctx, &unit); err != nil {
		return fmt.Errorf("seed token: %w", err)
	}
	return nil
}

// Refer makes a photo the customer's reference for face checks.
func (s Seeder) Refer(ctx context.Context, c Customer, r face.Reference) error {
	var unit pg.Unit
	face.Refer(&unit, c.ID, r)
	if err := s.DB.Commit(ctx, &unit); err != nil {
		return fmt.Errorf("seed reference photo: %w", err)
	}
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
// key (PKIX DER) if one is given, as of a week ago: the key is not young (shared/device).
func (s Seeder) SignUp(ctx context.Context, c Customer, loginPassword, tradePassword, deviceID string, key []byte) error {
	now := s.Clock.Now()
	turn, err := s.Passwords.Begin(ctx)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	defer turn.End()
	var unit pg.Unit
	err = password.Replace(ctx, &unit, password.Credential{
		Turn: turn, CustomerID: c.ID, Login: loginPassword, Trade: tradePassword, At: now,
	})
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if key != nil {
		err := device.Bind(ctx, &unit, device.Key{CustomerID: c.ID, DeviceID: deviceID, Public: key, BoundAt: now.AddDate(0, 0, -7)})
		if err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	}
	if err := s.DB.Commit(ctx, &unit); err != nil {
		return fmt.Errorf("seed sign-up: %w", err)
	}
	return nil
}
