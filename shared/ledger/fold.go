package ledger

import (
	"context"
	"fmt"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlFold = `-- ledger.fold
WITH taken AS (DELETE FROM ledger_fold WHERE (account_id, posting_id) IN (
         SELECT account_id, posting_id FROM ledger_fold LIMIT 5000 FOR UPDATE SKIP LOCKED) RETURNING account_id, amount),
     summed AS (SELECT account_id, sum(amount)::bigint AS amount FROM taken GROUP BY account_id),
     done AS (UPDATE account a SET balance = a.balance + s.amount FROM summed s WHERE a.id = s.account_id)
SELECT count(*) FROM taken`

// Fold moves one batch of appended entries of internal accounts into their balances.
// It returns the number of entries. Call it until it returns zero.
func Fold(ctx context.Context, db *pg.DB) (int64, error) {
	var moved int64
	err := db.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		return tx.QueryRow(ctx, sqlFold).Scan(&moved)
	})
	if err != nil {
		return 0, fmt.Errorf("fold: %w", err)
	}
	return moved, nil
}

// FoldAll folds all appended entries.
func FoldAll(ctx context.Context, db *pg.DB) error {
	for {
		if moved, err := Fold(ctx, db); err != nil || moved == 0 {
			return err
		}
	}
}
