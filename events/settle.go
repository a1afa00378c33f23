package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlOutboxLease = `-- outbox.lease
UPDATE outbox SET next_at = now() + $1
 WHERE id IN (SELECT id FROM outbox
               WHERE published_at IS NULL AND set_aside_at IS NULL AND lane = $3 AND next_at <= now()
               ORDER BY next_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id::text, type, subject, customerhash, data, traceparent, created_at, attempts`

	sqlOutboxPublished = `-- outbox.published
UPDATE outbox SET published_at = now(), set_aside_at = NULL WHERE id = ANY($1::uuid[]) AND published_at IS NULL`

	sqlOutboxFailed = `-- outbox.failed
UPDATE outbox o SET attempts = o.attempts + 1, next_at = now() + make_interval(secs => f.pause), reason = f.reason,
       set_aside_at = CASE WHEN f.aside THEN now() END
  FROM unnest($1::uuid[], $2::float8[], $3::bool[], $4::text[]) AS f (id, pause, aside, reason)
 WHERE o.id = f.id AND o.published_at IS NULL`

	sqlOutboxRelease = `-- outbox.release
UPDATE outbox SET next_at = now() WHERE id = ANY($1::uuid[]) AND published_at IS NULL AND set_aside_at IS NULL`

	sqlOutboxUnpublished = `-- outbox.unpublished
SELECT lane, count(*)::float8 FROM outbox WHERE published_at IS NULL AND set_aside_at IS NULL GROUP BY lane`

	sqlOutboxLag = `-- outbox.lag
SELECT lane, extract(epoch FROM now() - min(created_at))::float8
  FROM outbox WHERE published_at IS NULL AND set_aside_at IS NULL GROUP BY lane`

	sqlOutboxAsideCount = `-- outbox.aside_count
SELECT count(*)::float8 FROM outbox WHERE set_aside_at IS NOT NULL`

	sqlOutboxAside = `-- outbox.aside
SELECT id::text, type, subject, created_at, set_aside_at, attempts, reason
  FROM outbox WHERE set_aside_at IS NOT NULL ORDER BY id LIMIT $1`

	sqlOutboxReplay = `-- outbox.replay
UPDATE outbox SET set_aside_at = NULL, attempts = 0, next_at = now(), reason = ''
 WHERE set_aside_at IS NOT NULL AND ($1 = '' OR id::text = $1)`
)

// Results of a sink for one event. Any other error means that a later try may succeed.
var (
	ErrRefused  = errors.New("the receiver refuses the event")   // no later try can succeed
	ErrNotTried = errors.New("the time was over before the try") // the try does not count
)

// settleTimeout bounds each statement that leases and settles events.
const settleTimeout = 5 * time.Second

// Lease takes at most `most` waiting events of a lane, the longest waiting first. No
// other Lease gets them until the time `of` is over, or they are settled.
func Lease(ctx context.Context, db *pg.DB, lane Lane, of time.Duration, most int) ([]Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	rows, err := db.Pool().Query(ctx, sqlOutboxLease, of, most, string(lane))
	if err != nil {
		return nil, pg.Classify(fmt.Errorf("lease events: %w", err))
	}
	stored, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Stored])
	if err != nil {
		return nil, pg.Classify(fmt.Errorf("lease events: %w", err))
	}
	slices.SortFunc(stored, func(a, b Stored) int { return strings.Compare(a.ID, b.ID) })
	return stored, nil
}

// Failure is a failed attempt to publish an event.
type Failure struct {
	ID     string
	Pause  time.Duration // until the next attempt
	Aside  bool          // no further attempt; an operator must handle the event
	Reason string
}

const maxReason = 200 // characters

// Failed records failed attempts.
func Failed(ctx context.Context, db *pg.DB, failures []Failure) error {
	var ids, reasons []string
	var pauses []float64
	var asides []bool
	for _, f := range failures {
		reason := []rune(strings.ToValidUTF8(strings.ReplaceAll(f.Reason, "\x00", ""), "?"))
		ids, pauses, asides = append(ids, f.ID), append(pauses, f.Pause.Seconds()), append(asides, f.Aside)
		reasons = append(reasons, string(reason[:min(len(reason), maxReason)]))
	}
	return settle(ctx, db, "record failures", sqlOutboxFailed, ids, pauses, asides, reasons)
}

// MarkPublished records that a sink has the events.
func MarkPublished(ctx context.Context, db *pg.DB, ids []string) error {
	return settle(ctx, db, "mark published", sqlOutboxPublished, ids)
}

// Release gives leased events back at once. It counts no attempt.
func Release(ctx context.Context, db *pg.DB, ids []string) error {
	return settle(ctx, db, "release events", sqlOutboxRelease, ids)
}

// settle also works when ctx has ended: a relay that stops settles what it has leased.
func settle(ctx context.Context, db *pg.DB, what, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if _, err := db.Pool().Exec(ctx, sql, args...); err != nil {
		return pg.Classify(fmt.Errorf("%s: %w", what, err))
	}
	return nil
}

// Aside is an event that the relay has set aside.
type Aside struct {
	ID         string
	Type       string
	Subject    string
	CreatedAt  time.Time
	SetAsideAt time.Time
	Attempts   int
	Reason     string // of the last failure
}

// ListAside lists at most `most` events that are set aside, the oldest first.
func ListAside(ctx context.Context, db *pg.DB, most int) ([]Aside, error) {
	rows, err := db.Reader().Query(ctx, sqlOutboxAside, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Aside]) //nolint:wrapcheck // the Reader's rows wrap it
}

// ReplayAside lets the relay publish an event that was set aside, with all its attempts
// again, and returns the number of such events. An empty id means every such event.
// They leave when the transaction commits.
func ReplayAside(ctx context.Context, tx pg.Tx, id string) (int64, error) {
	tag, err := tx.Exec(ctx, sqlOutboxReplay, id)
	if err != nil {
		return 0, fmt.Errorf("replay events: %w", err)
	}
	return tag.RowsAffected(), nil
}

// ObserveOutbox registers how many events of each lane wait for a sink, how long the
// oldest has waited, how many are set aside, and how many are dead letters.
func ObserveOutbox(db *pg.DB, registry prometheus.Registerer) {
	var lanes []string
	for _, lane := range Lanes() {
		lanes = append(lanes, string(lane))
	}
	db.GaugeEach(registry, pg.Gauges{
		Name: "tidebank_outbox_unpublished", Help: "Events of a lane that no sink has taken yet.",
		Label: "lane", Values: lanes, SQL: sqlOutboxUnpublished,
	})
	db.GaugeEach(registry, pg.Gauges{
		Name: "tidebank_outbox_lag_seconds", Help: "Age of the oldest event of a lane that no sink has taken yet.",
		Label: "lane", Values: lanes, SQL: sqlOutboxLag,
	})
	db.Gauge(registry, "tidebank_outbox_set_aside", "Events that the relay has set aside; an operator must handle them.",
		sqlOutboxAsideCount)
	db.Gauge(registry, "tidebank_outbox_dead_letters",
		"Events that a consumer failed to take and nobody has replayed; an operator must handle them.", sqlLettersCount)
}
