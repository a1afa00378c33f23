package ledger

import (
	"context"
	"fmt"

	"github.com/tidebank/tidebank/shared/pg"
)

// PostgreSQL locks the accounts in `done` and returns their rows as the lock found them.
const sqlFold = `-- ledger.fold
WITH taken AS (DELETE FROM ledger_fold WHERE (account_id, posting_id) IN (
         SELECT account_id, posting_id FROM ledger_fold LIMIT 5000 FOR UPDATE SKIP LOCKED)
         RETURNING account_id, posting_id, amount, counterparty, summary, posted_at),
     summed AS (SELECT account_id, sum(amount)::bigint AS amount, count(*) AS entries FROM taken GROUP BY account_id),
     done AS (UPDATE account a SET balance = a.balance + s.amount, last_entry = a.last_entry + s.entries
                FROM summed s WHERE a.id = s.account_id
           RETURNING a.id, a.balance - s.amount AS balance, a.last_entry - s.entries AS last_entry),
     written AS (INSERT INTO entry (account_id, number, posting_id, amount, balance_after, counterparty, summary,
                                posted_at, memo_ct)
          SELECT t.account_id, d.last_entry + row_number() OVER w, t.posting_id, t.amount,
                 d.balance + (sum(t.amount) OVER w)::bigint, t.counterparty, t.summary, t.posted_at, ''
            FROM taken t JOIN done d ON d.id = t.account_id
          WINDOW w AS (PARTITION BY t.account_id ORDER BY t.posted_at, t.posting_id))
SELECT count(*) FROM taken`

// Fold writes one batch of the waiting entries of internal accounts, numbers them, and
// adds them to the balances. It returns the number of entries. Call it until it returns zero.
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

// FoldAll folds all waiting entries.
func FoldAll(ctx context.Context, db *pg.DB) error {
	for {
		if moved, err := Fold(ctx, db); err != nil || moved == 0 {
			return err
		}
	}
}
