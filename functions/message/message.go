// Package message is the customer's in-app inbox. Bodies are masked before they
// are stored; a customer sees only their own.
package message

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/shared/pg"
)

// View is a message as its receiver sees it.
type View struct {
	MessageID uuid.UUID  `json:"message_id" format:"uuid"`
	Kind      string     `json:"kind"`
	Title     string     `json:"title"`
	Body      string     `json:"body"`
	CreatedAt time.Time  `json:"created_at"`
	ReadAt    *time.Time `json:"read_at"`
}

// Place is the message's, for the page that follows it.
func (v View) Place() page.Place { return page.Place{At: v.CreatedAt, ID: v.MessageID} }

const (
	sqlPage = `-- message.page
SELECT id, kind, title, body, created_at, read_at FROM message
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

// Store is the domain's database.
type Store struct{ db pg.Reader }

// NewStore returns a Store.
func NewStore(db pg.Reader) *Store { return &Store{db} }

// Page returns messages before a place, newest first, and how many are unread in
// all.
func (s *Store) Page(
	ctx context.Context, customer uuid.UUID, before page.Place, unreadOnly bool, limit int,
) (views []View, unread int, err error) {
	at, id := before.Before()
	var batch pgx.Batch
	batch.Queue(sqlPage, customer, at, id, unreadOnly, limit).Query(func(rows pgx.Rows) (err error) {
		views, err = pgx.CollectRows(rows, scan)
		return err //nolint:wrapcheck // wrapped below
	})
	batch.Queue(sqlUnread, customer).QueryRow(func(row pgx.Row) error { return row.Scan(&unread) })
	if err := s.db.Batch(ctx, &batch); err != nil {
		return nil, 0, fmt.Errorf("messages: %w", err)
	}
	return views, unread, nil
}

// MarkRead adds to the unit that a message was read; marking again changes
// nothing. ErrNotFound for another customer's message.
func (s *Store) MarkRead(ctx context.Context, unit *pg.Unit, customer, id uuid.UUID, now time.Time) error {
	var there bool
	if err := s.db.QueryRow(ctx, sqlExists, customer, id).Scan(&there); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if !there {
		return bankerr.ErrNotFound
	}
	unit.Add(pg.Statement{SQL: sqlRead, Args: []any{customer, id, now}})
	return nil
}

// MarkAllRead adds to the unit that the customer has read all messages.
func (s *Store) MarkAllRead(unit *pg.Unit, customer uuid.UUID, now time.Time) {
	unit.Add(pg.Statement{SQL: sqlReadAll, Args: []any{customer, now}})
}

func scan(row pgx.CollectableRow) (View, error) {
	v, err := pgx.RowToStructByPos[View](row)
	v.CreatedAt = v.CreatedAt.In(clock.Shanghai)
	if v.ReadAt != nil {
		local := v.ReadAt.In(clock.Shanghai)
		v.ReadAt = &local
	}
	return v, err
}
