package customer

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlKind = `-- customer.kind
SELECT customer_kind($1)`

	sqlSetKind = `-- customer.set_kind
UPDATE customer SET kind = $2 WHERE id = $1`
)

// Kind is what a customer is. The methods that confirm a transfer depend on it (AUTH-001).
type Kind string

// The kinds. The table's CHECK lists the same.
const (
	Personal  Kind = "personal"
	Corporate Kind = "corporate"
)

// QueueKind adds the query that reads the customer's kind to the batch. The batch fails if there is
// no such customer.
func QueueKind(batch *pgx.Batch, id uuid.UUID, kind *Kind) {
	batch.Queue(sqlKind, id).QueryRow(func(row pgx.Row) error { return row.Scan(kind) })
}

// SetKind sets the customer's kind. Only the bank's staff may, by two persons.
func SetKind(ctx context.Context, to pg.Writer, id uuid.UUID, kind Kind) error {
	return to.Write(ctx, pg.Statement{SQL: sqlSetKind, Args: []any{id, kind}})
}
