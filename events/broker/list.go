package broker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
)

// Row is an event with its deliveries, as the developer page lists it.
type Row struct {
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject"`
	Data        json.RawMessage `json:"data"`
	CreatedAt   time.Time       `json:"created_at"`
	PublishedAt *time.Time      `json:"published_at"`
	Deliveries  json.RawMessage `json:"deliveries"`
}

const sqlList = `-- outbox.list
SELECT o.id::text, o.type, o.subject, o.data, o.created_at, o.published_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('consumer', d.consumer, 'state', d.state, 'attempts', d.attempts,
                                                     'last_error', d.last_error) ORDER BY d.consumer)
                   FROM delivery d WHERE d.event_id = o.id), '[]')
  FROM outbox o
 WHERE ($1 = '' OR o.subject = $1 OR o.data->>'transfer_id' = $1)
   AND (NOT $2 OR EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = o.id AND d.state = 'dead'))
 ORDER BY o.id DESC LIMIT $3`

// List returns the newest events with their deliveries. A subject that is not empty
// selects the events about it. deadOnly selects the events that have a dead letter.
func (b *Broker) List(ctx context.Context, subject string, deadOnly bool, limit int) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	rows, err := b.DB.Reader().Query(ctx, sqlList, subject, deadOnly, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Row]) //nolint:wrapcheck // the Reader's rows wrap it
}

// DeadLetter is a delivery that the local broker has given up.
type DeadLetter struct {
	EventID   string
	Type      string
	Consumer  string
	Attempts  int
	LastError string
}

const sqlDeadLetters = `-- delivery.dead_letters
SELECT d.event_id::text, coalesce(o.type, ''), d.consumer, d.attempts, d.last_error
  FROM delivery d LEFT JOIN outbox o ON o.id = d.event_id
 WHERE d.state = 'dead' ORDER BY d.event_id, d.consumer LIMIT $1`

// ListDead lists at most `most` dead letters of a local broker's database, the oldest
// event first. The type is empty if the event is no longer in the outbox.
func ListDead(ctx context.Context, db pg.Reader, most int) ([]DeadLetter, error) {
	rows, err := db.Query(ctx, sqlDeadLetters, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[DeadLetter]) //nolint:wrapcheck // the Reader's rows wrap it
}
