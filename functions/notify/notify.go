// Package notify writes to customers: what they are told, in Chinese and masked,
// and where it goes.
//
// Texts go to the phone on record through the SMS gateway, before the effect is
// recorded and under an id made from the event's, so that redelivery sends once.
package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sms"
)

const (
	sqlPhone = `-- customer.phone
SELECT data_key, phone_ct FROM customer WHERE id = $1`

	sqlMessage = `-- message.insert
INSERT INTO message (id, customer_id, event_id, kind, title, body, created_at)
SELECT $1, id, $3, $4, $5, $6, $7 FROM customer WHERE id = $2
ON CONFLICT DO NOTHING`
)

// Store is the domain's database and gateway.
type Store struct {
	db      pg.Reader
	ring    *keys.Ring
	gateway sms.Gateway
}

// NewStore returns a Store.
func NewStore(db pg.Reader, ring *keys.Ring, gateway sms.Gateway) *Store {
	return &Store{db, ring, gateway}
}

// Text sends a text to the customer's phone; a customer that is gone gets none.
func (s *Store) Text(ctx context.Context, id string, customer uuid.UUID, text string) error {
	var dataKey, sealed []byte
	err := s.db.QueryRow(ctx, sqlPhone, customer).Scan(&dataKey, &sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("phone: %w", err)
	}
	key, err := s.ring.OpenDataKey(dataKey)
	if err != nil {
		return fmt.Errorf("phone: %w", err)
	}
	phone, err := key.Open(keys.AAD("customer", "phone_ct", customer.String()), sealed)
	if err != nil {
		return fmt.Errorf("phone: %w", err)
	}
	if err := s.gateway.Send(ctx, sms.Message{ID: id, Phone: string(phone), Text: text}); err != nil {
		return bankerr.ErrUnavailable.Because(err)
	}
	return nil
}

// Note is a message for an inbox.
type Note struct {
	CustomerID        uuid.UUID
	EventID           string
	Kind, Title, Body string
	At                time.Time
}

// Put writes a note into its inbox, once for each event; a customer that is gone
// has none.
func (s *Store) Put(ctx context.Context, tx pg.Tx, n Note) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("note: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlMessage, id, n.CustomerID, n.EventID, n.Kind, n.Title, n.Body, n.At); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	return nil
}

// Challenge loads what a code is computed from; false if it is gone.
func (s *Store) Challenge(ctx context.Context, subject string) (otp.Issued, bool, error) {
	var issued otp.Issued
	err := issued.Scan(s.db.QueryRow(ctx, otp.LoadSQL, subject))
	if errors.Is(err, pgx.ErrNoRows) {
		return issued, false, nil
	}
	if err != nil {
		return issued, false, err
	}
	return issued, true, nil
}
