package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// CheckMAC returns an error unless sum is the MAC of the parts under the named key.
type CheckMAC func(keyID string, sum []byte, parts ...[]byte) error

// Report is the result of Verify. In a sound ledger, every field except Postings is
// zero.
type Report struct {
	Postings     int64
	Sum          money.Fen // of all balances and all entries that are not folded yet
	WrongBalance int64     // accounts whose balance is not the sum of their entries
	Misnumbered  int64     // entries that don't have the next number, and accounts that count another number of entries
	WrongRunning int64     // entries whose running balance is not the previous one plus the amount
	Overdrawn    int64     // customers' accounts whose available amount is below zero
	Unbalanced   int64     // postings that lack one of their two opposite entries
	Stray        int64     // entries that belong to no posting
	Forged       int64     // postings whose MAC does not hold
}

// Sound reports whether the ledger has no fault.
func (r Report) Sound() bool {
	return r == Report{Postings: r.Postings}
}

const (
	// All queries use one snapshot, so that later postings don't count.
	sqlVerifySnapshot = `-- ledger.snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`

	sqlVerifySums = `-- ledger.verify
WITH line AS (
    SELECT account_id, posting_id, amount, posted_at FROM entry
    UNION ALL SELECT account_id, posting_id, amount, posted_at FROM ledger_fold),
  walked AS (
    SELECT number = 1 + lag(number, 1, 0::bigint) OVER w AS next,
           balance_after = amount + lag(balance_after, 1, 0::bigint) OVER w AS adds_up
      FROM entry WINDOW w AS (PARTITION BY account_id ORDER BY number)),
  counted AS (
    SELECT a.balance, a.kind, a.held, a.last_entry, coalesce(e.amount, 0) AS entries, coalesce(e.last, 0) AS last
      FROM account a
      LEFT JOIN (SELECT account_id, sum(amount) AS amount, max(number) AS last FROM entry GROUP BY account_id) e
        ON e.account_id = a.id)
SELECT (SELECT count(*) FROM posting),
       ((SELECT coalesce(sum(balance), 0) FROM account) + (SELECT coalesce(sum(amount), 0) FROM ledger_fold))::bigint,
       (SELECT count(*) FROM counted WHERE balance <> entries),
       (SELECT count(*) FROM walked WHERE NOT next) + (SELECT count(*) FROM counted WHERE last_entry <> last),
       (SELECT count(*) FROM walked WHERE NOT adds_up),
       (SELECT count(*) FROM counted WHERE kind <> 'internal' AND balance - held < 0),
       (SELECT count(*) FROM posting p
          LEFT JOIN line d ON (d.account_id, d.posted_at, d.posting_id, d.amount) = (p.debit_id, p.posted_at, p.id, -p.amount)
          LEFT JOIN line c ON (c.account_id, c.posted_at, c.posting_id, c.amount) = (p.credit_id, p.posted_at, p.id, p.amount)
         WHERE d.account_id IS NULL OR c.account_id IS NULL),
       (SELECT count(*) FROM line e WHERE NOT EXISTS (
           SELECT FROM posting p
            WHERE p.id = e.posting_id AND p.posted_at = e.posted_at
              AND (e.account_id = p.debit_id AND e.amount = -p.amount OR e.account_id = p.credit_id AND e.amount = p.amount)))`

	sqlVerifyPostings = `-- posting.all
SELECT id, kind, debit_id, credit_id, amount, business_day, posted_at, mac, mac_key FROM posting`
)

// Verify checks the whole ledger in one snapshot.
func Verify(ctx context.Context, db *pg.DB, check CheckMAC) (Report, error) {
	var r Report
	err := db.InTx(ctx, func(ctx context.Context, tx pg.Tx) (err error) {
		r, err = verify(ctx, tx, check)
		return err
	})
	return r, err
}

func verify(ctx context.Context, tx pg.Tx, check CheckMAC) (Report, error) {
	var r Report
	if _, err := tx.Exec(ctx, sqlVerifySnapshot); err != nil {
		return r, fmt.Errorf("verify: %w", err)
	}
	err := tx.QueryRow(ctx, sqlVerifySums).Scan(
		&r.Postings, &r.Sum, &r.WrongBalance, &r.Misnumbered, &r.WrongRunning, &r.Overdrawn, &r.Unbalanced, &r.Stray)
	if err != nil {
		return r, fmt.Errorf("verify sums: %w", err)
	}
	rows, err := tx.Query(ctx, sqlVerifyPostings)
	if err != nil {
		return r, fmt.Errorf("verify postings: %w", err)
	}
	var p Posting
	var sum []byte
	var keyID string
	into := []any{&p.ID, &p.Kind, &p.Debit, &p.Credit, &p.Amount, &p.BusinessDay, &p.PostedAt, &sum, &keyID}
	_, err = pgx.ForEachRow(rows, into, func() error {
		if check(keyID, sum, p.figures()...) != nil {
			r.Forged++
		}
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("verify postings: %w", err)
	}
	return r, nil
}
