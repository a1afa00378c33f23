package inbox

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlForget = `-- message.forget
DELETE FROM message WHERE customer_id = $1`

// Forget deletes the inbox of a customer whose record is erased.
func Forget(ctx context.Context, tx pg.Tx, customer uuid.UUID) error {
	if _, err := tx.Exec(ctx, sqlForget, customer); err != nil {
		return fmt.Errorf("forget inbox: %w", err)
	}
	return nil
}
