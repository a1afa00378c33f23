package password

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlForget = `-- credential.forget
DELETE FROM credential WHERE customer_id = $1`

// Forget deletes the passwords of a customer whose record is erased.
func Forget(ctx context.Context, tx pg.Tx, customer uuid.UUID) error {
	if _, err := tx.Exec(ctx, sqlForget, customer); err != nil {
		return fmt.Errorf("forget passwords: %w", err)
	}
	return nil
}
