package ledger

import (
	"context"
	"fmt"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlFold = `-- ledger.fold
SELECT ledger_fold_waiting($1)`

const foldBatch = 5000 // most entries that one transaction folds

// Fold writes one batch of the waiting entries of internal accounts, numbers them, and
// adds them to the balances. It returns the number of entries. Call it until it returns zero.
func Fold(ctx context.Context, db *pg.DB) (int64, error) {
	var moved int64
	err := db.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		return tx.QueryRow(ctx, sqlFold, foldBatch).Scan(&moved)
	})
	if err != nil {
		return 0, fmt.Errorf("fold: %w", err)
	}
	return moved, nil
}

// FoldAll folds all waiting entries.
func FoldAll(ctx context.Context, db *pg.DB) error {
	for {
		if moved, err := Fold(ctx, db); err != nil || moved == 0 {
			return err
		}
	}
}
