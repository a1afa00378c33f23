package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlPayeeKnown = `-- payee.known
SELECT EXISTS (SELECT 1 FROM transfer WHERE customer_id = $1 AND credit_id = $2)`

	sqlTransferInsert = `-- transfer.insert
INSERT INTO transfer (id, customer_id, intent_id, debit_id, credit_id, amount, detail_ct, posted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

	sqlTransferInsertRows = `-- transfer.insert.rows
INSERT INTO transfer (id, customer_id, intent_id, debit_id, credit_id, amount, detail_ct, posted_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bytea[],
                     $8::timestamptz[]) ORDER BY 1`

	sqlTransferGet = `-- transfer.get
SELECT id, customer_id, intent_id, detail_ct, posted_at, amount FROM transfer WHERE id = $1 AND customer_id = $2`

	sqlTransferList = `-- transfer.list
SELECT id, customer_id, intent_id, detail_ct, posted_at, amount FROM transfer
 WHERE customer_id = $1 AND (posted_at, id) < ($2, $3)
 ORDER BY posted_at DESC, id DESC LIMIT $4`
)

// Store is the domain's database.
type Store struct {
	db   pg.Reader
	ring *keys.Ring
}

// NewStore returns a Store.
func NewStore(db pg.Reader, ring *keys.Ring) *Store { return &Store{db: db, ring: ring} }

// Party is one side of a transfer, in clear. It never leaves the domain.
type Party = customer.Holding

// OwnAccount finds an account of the customer; ErrNotFound for any other.
func (s *Store) OwnAccount(ctx context.Context, account, holder uuid.UUID) (Party, error) {
	return customer.OwnAccount(ctx, s.db, s.ring, account, holder)
}

// Payee finds the account of a number if its holder has the name. A missing account
// and a wrong name get the same refusal (LOGIC-004).
func (s *Store) Payee(ctx context.Context, number, name string) (Party, error) {
	p, err := customer.ByAccountNumber(ctx, s.db, s.ring, number)
	if errors.Is(err, bankerr.ErrNotFound) || err == nil && !customer.SameName(p.Name, name) {
		return Party{}, ErrPayeeMismatch
	}
	return p, err
}

// PayeeKnown reports whether the customer has paid this account before.
func (s *Store) PayeeKnown(ctx context.Context, customer, account uuid.UUID) (bool, error) {
	var known bool
	if err := s.db.QueryRow(ctx, sqlPayeeKnown, customer, account).Scan(&known); err != nil {
		return false, fmt.Errorf("known payee: %w", err)
	}
	return known, nil
}

// Insert adds the order's row to the unit of work that posts it.
func (s *Store) Insert(unit *pg.Unit, o Order) error {
	clear, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("order detail: %w", err)
	}
	sealed, err := s.ring.Seal(keys.Storage, detailAAD(o.ID), clear)
	if err != nil {
		return fmt.Errorf("seal order detail: %w", err)
	}
	unit.Add(pg.Statement{SQL: sqlTransferInsert, Rows: sqlTransferInsertRows, Args: []any{
		o.ID, o.CustomerID, o.IntentID, o.Plan.DebitID, o.Plan.CreditID, o.Plan.Amount, sealed, o.PostedAt,
	}})
	return nil
}

// Get finds a transfer of the customer; ErrNotFound for any other.
func (s *Store) Get(ctx context.Context, id, customer uuid.UUID) (Order, error) {
	rows, err := s.db.Query(ctx, sqlTransferGet, id, customer)
	if err != nil {
		return Order{}, fmt.Errorf("get transfer: %w", err)
	}
	o, err := pgx.CollectExactlyOneRow(rows, s.scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return Order{}, bankerr.ErrNotFound
	}
	if err != nil {
		return Order{}, fmt.Errorf("get transfer: %w", err)
	}
	return o, nil
}

// List returns the customer's transfers before a place, newest first.
func (s *Store) List(ctx context.Context, customer uuid.UUID, before page.Place, limit int) ([]Order, error) {
	at, id := before.Before()
	rows, err := s.db.Query(ctx, sqlTransferList, customer, at, id, limit)
	if err != nil {
		return nil, fmt.Errorf("list transfers: %w", err)
	}
	orders, err := pgx.CollectRows(rows, s.scan)
	if err != nil {
		return nil, fmt.Errorf("list transfers: %w", err)
	}
	return orders, nil
}

func (s *Store) scan(row pgx.CollectableRow) (Order, error) {
	var o Order
	var sealed []byte
	var stored struct {
		id, customer, intent uuid.UUID
		at                   time.Time
		amount               money.Fen
	}
	if err := row.Scan(&stored.id, &stored.customer, &stored.intent, &sealed, &stored.at, &stored.amount); err != nil {
		return Order{}, fmt.Errorf("scan transfer: %w", err)
	}
	clear, err := s.ring.Open(keys.Storage, detailAAD(stored.id), sealed)
	if err != nil {
		return Order{}, fmt.Errorf("order detail: %w", err)
	}
	if err := json.Unmarshal(clear, &o); err != nil {
		return Order{}, fmt.Errorf("order detail: %w", err)
	}
	if o.Plan.Amount != stored.amount {
		return Order{}, fmt.Errorf("order's amount: %w", ledger.ErrAltered)
	}
	return o, nil
}

func detailAAD(id uuid.UUID) []byte { return keys.AAD("transfer", "detail_ct", id.String()) }
