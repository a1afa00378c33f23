package events

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
)

// OutboxChannel is the PostgreSQL channel that is notified when the outbox grows.
const OutboxChannel = "outbox"

const sqlOutboxListen = "LISTEN " + OutboxChannel

const (
	sqlOutboxInsert = `-- outbox.insert
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent, lane) VALUES ($1, $2, $3, $4, $5, $6, $7)`

	sqlOutboxInsertRows = `-- outbox.insert.rows
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent, lane)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::text[]) ORDER BY 1`

	sqlOutboxInsertOnce = `-- outbox.insert.once
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent, lane) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO NOTHING`

	sqlOutboxPrune = `-- outbox.prune
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox o WHERE published_at < $2::timestamptz
       AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = o.id AND d.state <> 'done')
       AND NOT EXISTS (SELECT 1 FROM dead_letter d WHERE d.event_id = o.id AND d.replayed_at IS NULL) LIMIT $1)`
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
	s, err := insertion(ctx, id, subject, customer, data)
	if err != nil {
		return err
	}
	s.SQL, s.Rows = sqlOutboxInsert, sqlOutboxInsertRows
	return written(ctx, to, s, data)
}

// EmitOnce is Emit under an id that the caller has made. It does nothing if the outbox
// holds an event with this id: the caller has committed it before.
func EmitOnce(ctx context.Context, to pg.Writer, id uuid.UUID, subject string, data Data) error {
	s, err := insertion(ctx, id, subject, uuid.Nil, data)
	if err != nil {
		return err
	}
	s.SQL = sqlOutboxInsertOnce
	return written(ctx, to, s, data)
}

func insertion(ctx context.Context, id uuid.UUID, subject string, customer uuid.UUID, data Data) (pg.Statement, error) {
	body, err := json.Marshal(data)
	if err != nil {
		return pg.Statement{}, fmt.Errorf("event %s: %w", data.EventType(), err)
	}
	kind := data.EventType()
	return pg.Statement{
		Notify: OutboxChannel,
		Args:   []any{id, kind, subject, CustomerHash(customer), body, traceparent(ctx), string(LaneOf(kind))},
	}, nil
}

func written(ctx context.Context, to pg.Writer, s pg.Statement, data Data) error {
	if err := to.Write(ctx, s); err != nil {
		return fmt.Errorf("event %s: %w", data.EventType(), err)
	}
	return nil
}

// Watch calls wake when the outbox grows, until ctx ends; see pg.DB.Listen.
func Watch(ctx context.Context, db *pg.DB, wake func()) { db.Listen(ctx, sqlOutboxListen, wake) }

// EmittedBy is the type of the event that the statement puts into the outbox; false if
// it puts none there.
func EmittedBy(s pg.Statement) (string, bool) {
	if s.SQL != sqlOutboxInsert && s.SQL != sqlOutboxInsertOnce && s.Rows != sqlOutboxInsertRows {
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
// still delivers it, or until a dead letter of it is replayed. They keep the record that a
// consumer has had an event for 60 days, twice Freshness.
func Retentions() []pg.Retention {
	return []pg.Retention{
		{
			Table: "outbox", Keep: 7 * 24 * time.Hour, SQL: sqlOutboxPrune,
			Why: "A sink has taken the event; an event with an unfinished delivery or a dead letter stays.",
		},
		{
			Table: "dead_letter", Keep: 30 * 24 * time.Hour, SQL: sqlLettersPrune,
			Why: "An operator has replayed the letter; a letter that nobody has replayed stays.",
		},
		{
			Table: "event_consumed", Keep: 2 * Freshness, SQL: sqlConsumedPrune,
			Why: "An event older than 30 days is refused, so it can't have its effect again.",
		},
	}
}
