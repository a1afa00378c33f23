package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlSeen = `-- event.seen
SELECT consumer FROM event_consumed WHERE consumer = ANY ($1) AND source = $2 AND id = $3`

	sqlClaim = `-- event.claim
INSERT INTO event_consumed (consumer, source, id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
)

const sqlConsumedPrune = `-- event_consumed.prune
DELETE FROM event_consumed WHERE (consumer, source, id) IN (
    SELECT consumer, source, id FROM event_consumed WHERE consumed_at < $2::timestamptz LIMIT $1)`

// Freshness bounds the age of an event that a consumer still takes. The record that a
// consumer has had an event is kept for longer, so an old event can't be replayed.
const Freshness = 30 * 24 * time.Hour

// ErrStale refuses an event that is older than Freshness.
var ErrStale = errors.New("events: older than a consumer takes")

// CheckAge refuses an event that is older than Freshness.
func CheckAge(e cloudevent.Event, now time.Time) error {
	if now.Sub(e.Time) > Freshness {
		return ErrStale
	}
	return nil
}

// Seen returns those of the consumers that have already recorded the event. It is a
// cheap check before the work; only Claim decides.
func Seen(ctx context.Context, db *pg.DB, source, id string, consumers ...string) ([]string, error) {
	rows, err := db.Reader().Query(ctx, sqlSeen, consumers, source, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string]) //nolint:wrapcheck // the Reader's rows wrap it
}

// Claim records the event for the consumer, inside the transaction of its effect.
// first is false when another delivery of the event has been recorded before. A
// concurrent delivery of the same event blocks here.
func Claim(ctx context.Context, tx pg.Tx, consumer, source, id string) (first bool, err error) {
	tag, err := tx.Exec(ctx, sqlClaim, consumer, source, id)
	if err != nil {
		return false, fmt.Errorf("claim event: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}
