package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/shared/pg"
)

// Entry is one line of an account's statement.
type Entry struct {
	Number       int64 // counts the account's entries from 1
	PostingID    uuid.UUID
	Amount       money.Fen // negative: money went out
	BalanceAfter money.Fen
	Counterparty string
	Summary      string
	Memo         string // masked; empty if the customer wrote none
	PostedAt     time.Time
}

// EntryQuery selects a page of an account's entries, newest first.
type EntryQuery struct {
	AccountID uuid.UUID
	From, To  time.Time // PostedAt in [From, To)
	Direction int       // 0 both, -1 out, +1 in
	Min       money.Fen // bounds of the amount without its sign; Max 0 means no bound
	Max       money.Fen
	Before    page.Number
	Limit     int
}

// Place is the entry's place in a list, from which the next page begins.
func (e Entry) Place() page.Number { return page.Number(e.Number) }

const sqlEntries = `-- entry.page
SELECT e.number, e.posting_id, e.amount, e.balance_after, e.counterparty, e.summary, e.posted_at, e.memo_ct, w.*
  FROM entry e LEFT JOIN LATERAL ledger_witness(e.account_id, e.number) w ON true
 WHERE e.account_id = $1 AND e.number < $4 AND e.posted_at >= $2 AND e.posted_at < $3
   AND ($5 = 0 OR sign(e.amount) = $5) AND abs(e.amount) >= $6 AND ($7 = 0 OR abs(e.amount) <= $7)
 ORDER BY e.number DESC LIMIT $8`

// Entries reads a page. It returns ErrAltered if an amount of it was changed by hand. The
// ring holds the purposes Storage, which opens memos, and Ledger.
func Entries(ctx context.Context, db pg.Reader, ring *keys.Ring, q EntryQuery) ([]Entry, error) {
	rows, err := db.Query(ctx, sqlEntries, q.AccountID, q.From, q.To, q.Before.Before(),
		q.Direction, q.Min, q.Max, q.Limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Entry, error) { //nolint:wrapcheck // the Reader's rows wrap it
		var e Entry
		var memo []byte
		var w Witness
		into := []any{&e.Number, &e.PostingID, &e.Amount, &e.BalanceAfter, &e.Counterparty, &e.Summary, &e.PostedAt, &memo}
		if err := row.Scan(append(into, w.Into()...)...); err != nil {
			return e, err //nolint:wrapcheck // the Reader's rows wrap it
		}
		err := w.Check(ring)
		if err == nil && len(memo) > 0 {
			e.Memo, err = openMemo(ring, e.PostingID, q.AccountID, memo)
		}
		return e, err
	})
}

// SealMemo seals the masked memo of a posting for the entry of one account. An empty
// memo stays empty.
func SealMemo(ring *keys.Ring, posting, account uuid.UUID, memo string) ([]byte, error) {
	if memo == "" {
		return nil, nil
	}
	sealed, err := ring.Seal(keys.Storage, memoPlace(posting, account), []byte(memo))
	if err != nil {
		return nil, fmt.Errorf("seal memo: %w", err)
	}
	return sealed, nil
}

func openMemo(ring *keys.Ring, posting, account uuid.UUID, sealed []byte) (string, error) {
	memo, err := ring.Open(keys.Storage, memoPlace(posting, account), sealed)
	if err != nil {
		return "", fmt.Errorf("memo: %w", err)
	}
	return string(memo), nil
}

func memoPlace(posting, account uuid.UUID) []byte {
	return keys.AAD("entry", "memo_ct", posting.String()+" "+account.String())
}

const sqlFullAccount = `-- account.full
SELECT EXISTS (SELECT 1 FROM account WHERE customer_id = $1 AND kind NOT IN ($2, $3) AND state <> $4)`

// HoldsFull reports whether the customer holds an account that is not closed and of another
// class than II and III.
func HoldsFull(ctx context.Context, db pg.Reader, customer uuid.UUID) (bool, error) {
	var holds bool
	if err := db.QueryRow(ctx, sqlFullAccount, customer, KindClass2, KindClass3, StateClosed).Scan(&holds); err != nil {
		return false, fmt.Errorf("classes of accounts: %w", err)
	}
	return holds, nil
}
