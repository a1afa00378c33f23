// Package account shows customers their own accounts.
//
// An account of another customer gets the same answer as an account that does not
// exist (LOGIC-004). Numbers leave this package masked; amounts are fen.
package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// View is an account as its holder sees it.
type View struct {
	AccountID    uuid.UUID    `json:"account_id" format:"uuid"`
	Kind         ledger.Kind  `json:"kind" enum:"debit,class2,class3"`
	State        ledger.State `json:"state" enum:"open,lost,frozen,closed"`
	NumberMasked string       `json:"number_masked"`
	PayeeCode    string       `json:"payee_code" doc:"Eight digits that the holder tells a payer, who compares them with the text to sign"`
	Balance      money.Fen    `json:"balance_fen"`
	Held         money.Fen    `json:"held_fen"`
	Available    money.Fen    `json:"available_fen" doc:"Balance less holds"`
	OpenedAt     time.Time    `json:"opened_at"`
	Alias        string       `json:"alias" doc:"The name that the holder gave it; empty if the holder gave no name"`
}

const (
	sqlAll = `-- account.all
SELECT a.id, a.kind, a.state, a.no_masked, a.no_bidx, a.balance, a.held, a.balance - a.held, a.opened_at, a.alias_ct, w.*
  FROM account a CROSS JOIN LATERAL ledger_witness_balance(a.id, a.balance, a.last_entry) w
 WHERE a.customer_id = $1 AND a.state <> 'closed' ORDER BY a.opened_at, a.id`

	sqlOne = `-- account.one
SELECT a.id, a.kind, a.state, a.no_masked, a.no_bidx, a.balance, a.held, a.balance - a.held, a.opened_at, a.alias_ct, w.*
  FROM account a CROSS JOIN LATERAL ledger_witness_balance(a.id, a.balance, a.last_entry) w
 WHERE a.id = $1 AND a.customer_id = $2`
)

// Store is the domain's database.
type Store struct {
	db   pg.Reader
	ring *keys.Ring
}

// NewStore returns a Store. The ring holds the purposes Storage, which opens aliases, and
// Ledger: a balance that was changed by hand is ledger.ErrAltered.
func NewStore(db pg.Reader, ring *keys.Ring) *Store { return &Store{db, ring} }

// All returns the customer's accounts, the oldest first.
func (s *Store) All(ctx context.Context, customer uuid.UUID) ([]View, error) {
	rows, err := s.db.Query(ctx, sqlAll, customer)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	views, err := pgx.CollectRows(rows, s.scan)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	return views, nil
}

// One returns an account of the customer; ErrNotFound for any other.
func (s *Store) One(ctx context.Context, id, customer uuid.UUID) (View, error) {
	rows, err := s.db.Query(ctx, sqlOne, id, customer)
	if err != nil {
		return View{}, fmt.Errorf("account: %w", err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, s.scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return View{}, bankerr.ErrNotFound
	}
	if err != nil {
		return View{}, fmt.Errorf("account: %w", err)
	}
	return v, nil
}

func (s *Store) scan(row pgx.CollectableRow) (View, error) {
	var v View
	var index, sealed []byte
	var w ledger.Witness
	into := []any{
		&v.AccountID, &v.Kind, &v.State, &v.NumberMasked, &index, &v.Balance, &v.Held, &v.Available, &v.OpenedAt, &sealed,
	}
	if err := row.Scan(append(into, w.Into()...)...); err != nil {
		return v, err //nolint:wrapcheck // the callers wrap it
	}
	if err := w.Check(s.ring); err != nil {
		return v, err
	}
	alias, err := ledger.OpenAlias(s.ring, v.AccountID, sealed)
	v.PayeeCode, v.OpenedAt, v.Alias = ledger.PayeeCode(index), v.OpenedAt.In(clock.Shanghai), mask.Text(alias)
	return v, err
}
