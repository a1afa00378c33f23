package ledger

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlForgetAliases = `-- account.forget_aliases
UPDATE account SET alias_ct = '' WHERE customer_id = $1`

// ForgetAliases deletes the names that a customer gave to accounts. The accounts, their
// numbers and their entries stay, as records of money.
func ForgetAliases(ctx context.Context, tx pg.Tx, customer uuid.UUID) error {
	if _, err := tx.Exec(ctx, sqlForgetAliases, customer); err != nil {
		return fmt.Errorf("forget aliases: %w", err)
	}
	return nil
}
