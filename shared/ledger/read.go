package ledger

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/shared/pg"
)

// Entry is one line of an account's statement.
type Entry struct {
	PostingID    uuid.UUID
	Amount       money.Fen // negative: money went out
	BalanceAfter money.Fen
	Counterparty string
	Summary      string
	PostedAt     time.Time
}

// EntryQuery selects a page of an account's entries, newest first.
type EntryQuery struct {
	AccountID uuid.UUID
	From, To  time.Time // PostedAt in [From, To)
	Direction int       // 0 both, -1 out, +1 in
	Min       money.Fen // bounds of the amount without its sign; Max 0 means no bound
	Max       money.Fen
	Before    page.Place
	Limit     int
}

// Place is the entry's place in a list, from which the next page begins.
func (e Entry) Place() page.Place { return page.Place{At: e.PostedAt, ID: e.PostingID} }

const sqlEntries = `-- entry.page
SELECT posting_id, amount, balance_after, counterparty, summary, posted_at FROM entry
 WHERE account_id = $1 AND posted_at >= $2 AND posted_at < $3 AND (posted_at, posting_id) < ($4, $5)
   AND ($6 = 0 OR sign(amount) = $6) AND abs(amount) >= $7 AND ($8 = 0 OR abs(amount) <= $8)
 ORDER BY posted_at DESC, posting_id DESC LIMIT $9`

// Entries reads a page.
func Entries(ctx context.Context, db pg.Reader, q EntryQuery) ([]Entry, error) {
	at, id := q.Before.Before()
	rows, err := db.Query(ctx, sqlEntries, q.AccountID, q.From, q.To, at, id,
		q.Direction, q.Min, q.Max, q.Limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Entry]) //nolint:wrapcheck // the Reader's rows wrap it
}
