// Package inbox owns the table message: the bank's messages to its customers in the
// app.
//
// Titles and bodies are Chinese and masked before they come here. A customer reads
// and marks only their own messages. A message of another customer gets the same
// answer as a message that does not exist (LOGIC-004). Refusal: OBJECT_NOT_FOUND.
package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlInsert = `-- message.insert
INSERT INTO message (id, customer_id, event_id, kind, title, body, created_at)
SELECT $1, id, $3, $4, $5, $6, $7 FROM customer WHERE id = $2
ON CONFLICT DO NOTHING`

	sqlPage = `-- message.page
SELECT id, customer_id, event_id, kind, title, body, created_at, read_at FROM message
 WHERE customer_id = $1 AND (created_at, id) < ($2, $3) AND (NOT $4 OR read_at IS NULL)
 ORDER BY created_at DESC, id DESC LIMIT $5`

	sqlUnread = `-- message.unread
SELECT count(*) FROM message WHERE customer_id = $1 AND read_at IS NULL`

	sqlExists = `-- message.exists
SELECT EXISTS (SELECT 1 FROM message WHERE customer_id = $1 AND id = $2)`

	sqlRead = `-- message.read
UPDATE message SET read_at = coalesce(read_at, $3) WHERE customer_id = $1 AND id = $2`

	sqlReadAll = `-- message.read_all
UPDATE message SET read_at = $2 WHERE customer_id = $1 AND read_at IS NULL`
)

// Kind is what a message is about, for the app.
type Kind string

// The kinds.
const (
	TransferOut Kind = "transfer.out"
	TransferIn  Kind = "transfer.in"
	DeviceBound Kind = "device.bound"
	Password    Kind = "password.changed"
	Phone       Kind = "phone.changed"
)

// Kinds lists the kinds.
func Kinds() []Kind { return []Kind{TransferOut, TransferIn, DeviceBound, Password, Phone} }

// Message is one message to one customer.
type Message struct {
	ID         uuid.UUID
	CustomerID uuid.UUID
	EventID    string // the event that caused the message
	Kind       Kind
	Title      string
	Body       string
	CreatedAt  time.Time
	ReadAt     *time.Time // nil: unread
}

// Place is the message's place in a list, from which the next page begins.
func (m Message) Place() page.Place { return page.Place{At: m.CreatedAt, ID: m.ID} }

// Put writes a new, unread message and makes its ID. An event that comes twice gives
// a customer one message. Put does nothing if the customer no longer exists.
func Put(ctx context.Context, to pg.Writer, m Message) error {
	id, err := uuid.NewV7()
	if err != nil {
		return bankerr.ErrInternal.Because(fmt.Errorf("message id: %w", err))
	}
	return to.Write(ctx, pg.Statement{
		SQL: sqlInsert, Args: []any{id, m.CustomerID, m.EventID, m.Kind, m.Title, m.Body, m.CreatedAt},
	})
}

// Query selects a page of a customer's messages.
type Query struct {
	CustomerID uuid.UUID
	Before     page.Place
	UnreadOnly bool
	Limit      int
}

// Page returns messages before a place, newest first, and how many are unread in the
// whole inbox.
func Page(ctx context.Context, db pg.Reader, q Query) (messages []Message, unread int, err error) {
	at, id := q.Before.Before()
	var batch pgx.Batch
	batch.Queue(sqlPage, q.CustomerID, at, id, q.UnreadOnly, q.Limit).Query(func(rows pgx.Rows) (err error) {
		messages, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Message])
		return err //nolint:wrapcheck // wrapped below
	})
	batch.Queue(sqlUnread, q.CustomerID).QueryRow(func(row pgx.Row) error { return row.Scan(&unread) })
	if err := db.Batch(ctx, &batch); err != nil {
		return nil, 0, fmt.Errorf("messages: %w", err)
	}
	return messages, unread, nil
}

// MarkRead marks the customer's message as read; marking it again changes nothing. It
// returns ErrNotFound if the customer has no such message.
func MarkRead(ctx context.Context, db pg.Reader, to pg.Writer, m Mark) error {
	var there bool
	if err := db.QueryRow(ctx, sqlExists, m.CustomerID, m.MessageID).Scan(&there); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if !there {
		return bankerr.ErrNotFound
	}
	return to.Write(ctx, pg.Statement{SQL: sqlRead, Args: []any{m.CustomerID, m.MessageID, m.At}})
}

// Mark names a message of a customer and the time of reading.
type Mark struct {
	CustomerID uuid.UUID
	MessageID  uuid.UUID
	At         time.Time
}

// MarkAllRead marks all messages of the customer as read.
func MarkAllRead(ctx context.Context, to pg.Writer, customer uuid.UUID, now time.Time) error {
	return to.Write(ctx, pg.Statement{SQL: sqlReadAll, Args: []any{customer, now}})
}
