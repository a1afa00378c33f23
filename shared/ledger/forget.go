package ledger

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlForgetAliases = `-- account.forget_aliases
UPDATE account SET alias_ct = '' WHERE customer_id = $1`

// ForgetAliases deletes the names that a customer gave to accounts. The accounts, their
// numbers and their entries stay, as records of money.
func ForgetAliases(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlForgetAliases, Args: []any{customer}})
}
