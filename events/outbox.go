package events

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
)

// OutboxChannel is the PostgreSQL channel that is notified when the outbox grows.
const OutboxChannel = "outbox"

const (
	sqlOutboxInsert = `-- outbox.insert
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent) VALUES ($1, $2, $3, $4, $5, $6)`

	sqlOutboxInsertRows = `-- outbox.insert.rows
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[]) ORDER BY 1`

	sqlOutboxLease = `-- outbox.lease
UPDATE outbox SET leased_until = now() + $1
 WHERE id IN (SELECT id FROM outbox
               WHERE published_at IS NULL AND (leased_until IS NULL OR leased_until < now())
               ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id::text, type, subject, customerhash, data, traceparent, created_at`

	sqlOutboxPublished = `-- outbox.published
UPDATE outbox SET published_at = now() WHERE id = ANY($1::uuid[])`

	sqlOutboxRelease = `-- outbox.release
UPDATE outbox SET leased_until = NULL WHERE id = ANY($1::uuid[]) AND published_at IS NULL`

	sqlOutboxPrune = `-- outbox.prune
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox o WHERE published_at < now() - $2::interval
       AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = o.id AND d.state <> 'done') LIMIT $1)`

	sqlOutboxUnpublished = `-- outbox.unpublished
SELECT count(*)::float8 FROM outbox WHERE published_at IS NULL`

	sqlOutboxLag = `-- outbox.lag
SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM outbox WHERE published_at IS NULL`
)

// Emit puts an event into the outbox in the transaction of `to`. The event leaves if
// and only if the transaction commits, and the commit wakes the relay. Emit makes a
// new id and takes the type from the data. customer is uuid.Nil for an event that is
// about no customer.
func Emit(ctx context.Context, to pg.Writer, subject string, customer uuid.UUID, data Data) error {
	id, err := uuid.NewV7()
	if err != nil {
		return bankerr.ErrInternal.Because(fmt.Errorf("event id: %w", err))
	}
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("event %s: %w", data.EventType(), err)
	}
	err = to.Write(ctx, pg.Statement{
		SQL: sqlOutboxInsert, Rows: sqlOutboxInsertRows, Notify: OutboxChannel,
		Args: []any{id, data.EventType(), subject, CustomerHash(customer), body, traceparent(ctx)},
	})
	if err != nil {
		return fmt.Errorf("event %s: %w", data.EventType(), err)
	}
	return nil
}

// EmittedBy is the type of the event that the statement puts into the outbox; false if
// it puts none there.
func EmittedBy(s pg.Statement) (string, bool) {
	if s.SQL != sqlOutboxInsert && s.Rows != sqlOutboxInsertRows {
		return "", false
	}
	kind, _ := s.Args[1].(string)
	return kind, true
}

// traceparent carries the caller's trace over to the event's consumers.
func traceparent(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return ""
	}
	return fmt.Sprintf("00-%s-%s-%s", span.TraceID(), span.SpanID(), span.TraceFlags())
}

// Retentions keep a published event for 7 days, or longer while the local broker
// still delivers it. They keep the record that a consumer has had an event for 60
// days, twice Freshness.
func Retentions() []pg.Retention {
	return []pg.Retention{
		{
			Table: "outbox", Keep: 7 * 24 * time.Hour, SQL: sqlOutboxPrune,
			Why: "A sink has taken the event; an event with an unfinished delivery stays.",
		},
		{
			Table: "event_consumed", Keep: 2 * Freshness, SQL: sqlConsumedPrune,
			Why: "An event older than 30 days is refused, so it can't have its effect again.",
		},
	}
}

// Lease takes at most `most` unpublished events, the oldest first. No other Lease
// gets them until the time `of` is over, or Release gives them back.
func Lease(ctx context.Context, db *pg.DB, of time.Duration, most int) ([]Stored, error) {
	rows, err := db.Pool().Query(ctx, sqlOutboxLease, of, most)
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

// MarkPublished records that a sink has the events.
func MarkPublished(ctx context.Context, db *pg.DB, ids []string) error {
	if _, err := db.Pool().Exec(ctx, sqlOutboxPublished, ids); err != nil {
		return pg.Classify(fmt.Errorf("mark published: %w", err))
	}
	return nil
}

// Release gives leased events back at once.
func Release(ctx context.Context, db *pg.DB, ids []string) error {
	if _, err := db.Pool().Exec(ctx, sqlOutboxRelease, ids); err != nil {
		return pg.Classify(fmt.Errorf("release events: %w", err))
	}
	return nil
}

// ObserveOutbox registers how many events wait for a sink, and how long the oldest
// has waited.
func ObserveOutbox(db *pg.DB, registry prometheus.Registerer) {
	db.Gauge(registry, "tidebank_outbox_unpublished", "Events that no sink has taken yet.", sqlOutboxUnpublished)
	db.Gauge(registry, "tidebank_outbox_lag_seconds", "Age of the oldest event that no sink has taken yet.", sqlOutboxLag)
}
