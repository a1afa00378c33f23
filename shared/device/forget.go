package device

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlForget = `-- device.forget
DELETE FROM device WHERE customer_id = $1`

// Forget deletes the devices of a customer whose record is erased.
func Forget(ctx context.Context, tx pg.Tx, customer uuid.UUID) error {
	if _, err := tx.Exec(ctx, sqlForget, customer); err != nil {
		return fmt.Errorf("forget devices: %w", err)
	}
	return nil
}
