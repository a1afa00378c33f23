package pg

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
)

const sqlOutboxInsert = `-- outbox.insert
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent) VALUES ($1, $2, $3, $4, $5, $6)`

const sqlOutboxInsertRows = `-- outbox.insert.rows
INSERT INTO outbox (id, type, subject, customerhash, data, traceparent)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[]) ORDER BY 1`

// Event tells the rest of the bank about a unit of work, after its commit. Data is
// marshalled to JSON and holds no personal data in clear.
type Event struct {
	ID           uuid.UUID
	Type         string
	Subject      string
	CustomerHash string
	Data         any
}

// Emit adds an event to the unit: it is published if and only if the unit commits.
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
func Emit(ctx context.Context, tx Tx, e Event) error {
	args, err := e.row(ctx)
	if err != nil {
		return err
	}
	if open, ok := tx.(*openTx); ok {
		open.events++
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

// traceparent links the event's consumers to the caller's trace.
func traceparent(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return ""
	}
	return fmt.Sprintf("00-%s-%s-%s", span.TraceID(), span.SpanID(), span.TraceFlags())
}

// waker tells relays that the outbox has grown, after the commit and at most once per
// wakeEvery. NOTIFY inside the money's transaction would make PostgreSQL commit one
// transaction at a time.
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
			// Relays poll as well: a lost wake-up only delays them.
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
	default: // a wake-up is already pending
	}
}

func (w *waker) stop() { w.cancel() }
