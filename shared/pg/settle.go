package pg

import (
	"context"
	"fmt"
)

// sqlSettle writes a record of some bytes into the log, and nothing into a table. So its
// commit waits as every commit does. A transaction that only reads does not wait.
const sqlSettle = `-- commit.settle
SELECT pg_logical_emit_message(true, 'tidebank', '')`

// Settle returns when everything that the caller has read is as safe as an acknowledged
// commit: on the disk, and on the synchronous standby.
//
// Other callers see a transaction before its commit has been acknowledged: PostgreSQL has
// committed it here, and still waits for the standby. If the one that waits gives up, the
// transaction stays visible, and the loss of this server may lose it. So whoever reads an
// effect in order to acknowledge it to a customer calls Settle first.
func (db *DB) Settle(ctx context.Context) error {
	if _, err := db.Pool().Exec(ctx, sqlSettle); err != nil {
		return Classify(fmt.Errorf("settle: %w", err))
	}
	return nil
}
