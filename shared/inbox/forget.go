package inbox

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlForget = `-- message.forget
DELETE FROM message WHERE customer_id = $1`

// Forget deletes the inbox of a customer whose record is erased.
func Forget(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlForget, Args: []any{customer}})
}
