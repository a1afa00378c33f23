package pg

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
)

const sqlOutboxInsert = `-- outbox.insert
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent) VALUES ($1, $2, $3, $4, $5, $6)`

const sqlOutboxInsertRows = `-- outbox.insert.rows
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[]) ORDER BY 1`

// Event is what a unit of work tells the rest of the bank when it commits. Data
// is marshalled to JSON and holds no personal data in clear.
type Event struct {
	ID           uuid.UUID
	Type         string
	Subject      string
	CustomerHash string
	Data         any
}

// Emit adds an event to the unit: it leaves if and only if the unit commits.
func (u *Unit) Emit(ctx context.Context, e Event) error {
	args, err := e.row(ctx)
	if err != nil {
		return err
	}
	u.events = append(u.events, e.Type)
	u.Add(Statement{SQL: sqlOutboxInsert, Rows: sqlOutboxInsertRows, Args: args})
	return nil
}

// Emit writes an event inside a transaction of InTx.
func Emit(ctx context.Context, tx pgx.Tx, e Event) error {
	args, err := e.row(ctx)
	if err != nil {
		return err
	}
	if counter, ok := tx.(*emitCounter); ok {
		counter.events++
	}
	if _, err := tx.Exec(ctx, sqlOutboxInsert, args...); err != nil {
		return fmt.Errorf("insert outbox: %w", err)
	}
	return nil
}

func (e Event) row(ctx context.Context) ([]any, error) {
	data, err := json.Marshal(e.Data)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.Type, err)
	}
	return []any{e.ID, e.Type, e.Subject, e.CustomerHash, data, traceparent(ctx)}, nil
}

// traceparent carries the caller's trace over to the event's consumers.
func traceparent(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return ""
	}
	return fmt.Sprintf("00-%s-%s-%s", span.TraceID(), span.SpanID(), span.TraceFlags())
}

// emitCounter is a transaction that knows whether events were written in it.
type emitCounter struct {
	pgx.Tx
	events int
}

// waker tells relays that the outbox has grown, after the commit and at most
// once in a while: NOTIFY inside the money's transaction would make PostgreSQL
// commit one transaction at a time.
type waker struct {
	signal chan struct{}
	cancel context.CancelFunc
	once   sync.Once
	run    func()
}

const wakeEvery = 10 * time.Millisecond

func newWaker(pool *pgxpool.Pool) *waker {
	ctx, cancel := context.WithCancel(context.Background())
	w := &waker{signal: make(chan struct{}, 1), cancel: cancel}
	w.run = func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.signal:
			}
			// Relays poll as well, so a lost wake-up costs time only.
			_, _ = pool.Exec(ctx, `SELECT pg_notify('outbox', '')`)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wakeEvery):
			}
		}
	}
	return w
}

func (w *waker) poke() {
	w.once.Do(func() { go w.run() })
	select {
	case w.signal <- struct{}{}:
	default: // one is on its way
	}
}

func (w *waker) stop() { w.cancel() }
