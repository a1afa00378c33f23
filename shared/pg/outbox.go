package pg

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/trace"
)

const sqlOutboxInsert = `-- outbox.insert.old
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent) VALUES ($1, $2, $3, $4, $5, $6)`

const sqlOutboxInsertRows = `-- outbox.insert.old.rows
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[]) ORDER BY 1`

// Event is what a unit of work tells the rest of the bank when it commits. Data
// is marshalled to JSON and holds no personal data in clear.
//
// Deprecated: use events.Emit; this door goes with its last caller.
type Event struct {
	ID           uuid.UUID
	Type         string
	Subject      string
	CustomerHash string
	Data         any
}

// Emit adds an event to the unit: it leaves if and only if the unit commits.
//
// Deprecated: use events.Emit.
func (u *Unit) Emit(ctx context.Context, e Event) error { return e.emit(ctx, u) }

// Emit writes an event inside a transaction of InTx.
//
// Deprecated: use events.Emit.
func Emit(ctx context.Context, tx pgx.Tx, e Event) error { return e.emit(ctx, WriterOf(tx)) }

func (e Event) emit(ctx context.Context, to Writer) error {
	data, err := json.Marshal(e.Data)
	if err != nil {
		return fmt.Errorf("event %s: %w", e.Type, err)
	}
	parent := ""
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		parent = fmt.Sprintf("00-%s-%s-%s", span.TraceID(), span.SpanID(), span.TraceFlags())
	}
	return to.Write(ctx, Statement{
		SQL: sqlOutboxInsert, Rows: sqlOutboxInsertRows, Notify: "outbox",
		Args: []any{e.ID, e.Type, e.Subject, e.CustomerHash, data, parent},
	})
}
