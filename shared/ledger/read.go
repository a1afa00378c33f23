package ledger

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// ErrCursor refuses a cursor that no page gave out.
var ErrCursor = errors.New("ledger: not a cursor")

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
	Least     money.Fen // bounds of the amount without its sign; Most 0 is none
	Most      money.Fen
	Before    Cursor
	Limit     int
}

// Cursor is where a page ended; the zero Cursor is before the newest entry.
type Cursor struct {
	at      time.Time
	posting uuid.UUID
}

// CursorAfter is the cursor for the page that follows an entry.
func CursorAfter(e Entry) Cursor { return Cursor{e.PostedAt, e.PostingID} }

// String is the cursor as a client keeps it.
func (c Cursor) String() string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(c.at.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(raw, c.posting[:]...))
}

// ParseCursor reads what String wrote; the empty text is the zero Cursor.
func ParseCursor(text string) (Cursor, error) {
	if text == "" {
		return Cursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != 8+16 {
		return Cursor{}, ErrCursor
	}
	micros := binary.BigEndian.Uint64(raw)
	if micros > 1<<55 {
		return Cursor{}, ErrCursor
	}
	return Cursor{time.UnixMicro(int64(micros)), uuid.UUID(raw[8:])}, nil
}

const sqlEntries = `-- entry.page
SELECT posting_id, amount, balance_after, counterparty, summary, posted_at FROM entry
 WHERE account_id = $1 AND posted_at >= $2 AND posted_at < $3 AND (posted_at, posting_id) < ($4, $5)
   AND ($6 = 0 OR sign(amount) = $6) AND abs(amount) >= $7 AND ($8 = 0 OR abs(amount) <= $8)
 ORDER BY posted_at DESC, posting_id DESC LIMIT $9`

// Entries reads a page.
func Entries(ctx context.Context, db *pg.DB, q EntryQuery) ([]Entry, error) {
	if q.Before == (Cursor{}) {
		q.Before = Cursor{q.To, uuid.Max}
	}
	rows, err := db.Pool().Query(ctx, sqlEntries, q.AccountID, q.From, q.To, q.Before.at, q.Before.posting,
		q.Direction, q.Least, q.Most, q.Limit)
	if err != nil {
		return nil, pg.Refusal(fmt.Errorf("entries: %w", err))
	}
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
	if err != nil {
		return nil, pg.Refusal(fmt.Errorf("entries: %w", err))
	}
	return entries, nil
}
