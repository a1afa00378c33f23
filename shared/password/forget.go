package password

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlForget = `-- credential.forget
DELETE FROM credential WHERE customer_id = $1`

// Forget deletes the passwords of a customer whose record is erased.
func Forget(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlForget, Args: []any{customer}})
}
