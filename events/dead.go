package events

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlBury = `-- dead_letter.bury
INSERT INTO dead_letter AS d (consumer, event_id, type, status, failed_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (consumer, event_id) DO UPDATE
   SET status = $4, failed_at = $5, deaths = d.deaths + 1, replayed_at = NULL`

	sqlLetters = `-- dead_letter.list
SELECT event_id::text, type, consumer, status, failed_at, deaths
  FROM dead_letter WHERE replayed_at IS NULL ORDER BY failed_at, event_id, consumer LIMIT $1`

	// An event that consumers would refuse for its age stays a dead letter.
	sqlExhume = `-- dead_letter.replay
WITH due AS (
    SELECT DISTINCT d.event_id FROM dead_letter d JOIN outbox o ON o.id = d.event_id
     WHERE d.replayed_at IS NULL AND ($1 = '' OR d.event_id::text = $1) AND o.created_at > now() - $2::interval
), again AS (
    UPDATE outbox SET published_at = NULL, set_aside_at = NULL, attempts = 0, next_at = now(), reason = ''
     WHERE id IN (SELECT event_id FROM due) RETURNING id
)
UPDATE dead_letter SET replayed_at = now() WHERE replayed_at IS NULL AND event_id IN (SELECT id FROM again)
RETURNING event_id`

	sqlLettersPrune = `-- dead_letter.prune
DELETE FROM dead_letter WHERE (consumer, event_id) IN (
    SELECT consumer, event_id FROM dead_letter WHERE replayed_at < $2::timestamptz LIMIT $1)`

	sqlLettersCount = `-- dead_letter.count
SELECT count(*)::float8 FROM dead_letter WHERE replayed_at IS NULL`
)

// Letter is an event that the platform's broker could not deliver to one consumer.
type Letter struct {
	EventID  string
	Type     string
	Consumer string
	Status   int // HTTP status of the consumer's last answer; 0 if it gave none
	FailedAt time.Time
	Deaths   int // how often the broker has given the event up for this consumer
}

// Bury keeps a dead letter until an operator replays it. A letter that comes again counts
// one more death.
func Bury(ctx context.Context, tx pg.Tx, l Letter, now time.Time) error {
	id, err := uuid.Parse(l.EventID)
	if err != nil {
		return bankerr.ErrInput.Because(fmt.Errorf("id of a dead letter: %w", err))
	}
	if _, err := tx.Exec(ctx, sqlBury, l.Consumer, id, l.Type, l.Status, now); err != nil {
		return fmt.Errorf("dead letter: %w", err)
	}
	return nil
}

// Letters lists at most `most` dead letters that nobody has replayed, the oldest first.
func Letters(ctx context.Context, db *pg.DB, most int) ([]Letter, error) {
	rows, err := db.Reader().Query(ctx, sqlLetters, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Letter]) //nolint:wrapcheck // the Reader's rows wrap it
}

// ReplayLetters lets the relay publish the event of a dead letter again, and returns the
// number of letters. An empty id means every dead letter. Consumers that have had the
// event have no second effect. Events that are older than Freshness stay as they are.
func ReplayLetters(ctx context.Context, tx pg.Tx, id string) (int64, error) {
	tag, err := tx.Exec(ctx, sqlExhume, id, Freshness)
	if err != nil {
		return 0, fmt.Errorf("replay dead letters: %w", err)
	}
	return tag.RowsAffected(), nil
}
