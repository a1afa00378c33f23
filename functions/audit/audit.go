// Package audit keeps the bank's append-only record of all events.
//
// Records form a chain. Each record holds its number, its body and the SM3 of the
// previous record. So Verify finds a change, a gap or a new order. Verify also finds
// missing records at the end: each event that audit has consumed must have a record.
// The database refuses updates and deletions. Numbers count from 1 without gaps. The
// whole bank appends one record at a time. A person who can write every table can
// still forge a whole new chain; checkpoints in another system must prevent that.
// Source: AUDIT-001, AUDIT-003.
package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// Record is one event as audit keeps it.
type Record struct {
	EventID  string          `json:"event_id"`
	Type     string          `json:"type"`
	Subject  string          `json:"subject"`
	Occurred time.Time       `json:"occurred_at"`
	Data     json.RawMessage `json:"data"`
}

const (
	// One writer at a time: the next record needs the hash of the last record.
	sqlLock = `-- audit.lock
SELECT pg_advisory_xact_lock(7124002)`

	sqlLast = `-- audit.last
SELECT seq, hash FROM audit_record ORDER BY seq DESC LIMIT 1`

	sqlAppend = `-- audit.append
INSERT INTO audit_record (seq, event_id, type, subject, occurred_at, body, prev_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

	sqlWalk = `-- audit.walk
SELECT seq, event_id, type, subject, occurred_at, body, prev_hash, hash FROM audit_record ORDER BY seq`

	sqlMissing = `-- audit.missing
SELECT count(*) FROM event_consumed c
 WHERE c.consumer = $1 AND NOT EXISTS (SELECT 1 FROM audit_record a WHERE a.event_id = c.id)`
)

// Consumer is the function that appends.
const Consumer = "audit-on-event"

// Append adds a record to the chain, in the transaction that records the event as
// consumed.
func Append(ctx context.Context, tx pg.Tx, r Record) error {
	r.Occurred = r.Occurred.UTC().Truncate(time.Microsecond) // PostgreSQL stores microseconds, and Verify compares the times
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("audit record: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlLock); err != nil {
		return fmt.Errorf("audit lock: %w", err)
	}
	var seq int64
	previous := make([]byte, 32)
	err = tx.QueryRow(ctx, sqlLast).Scan(&seq, &previous)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("audit last: %w", err)
	}
	seq++
	_, err = tx.Exec(ctx, sqlAppend, seq, r.EventID, r.Type, r.Subject, r.Occurred, body, previous, link(previous, seq, body))
	if err != nil {
		return fmt.Errorf("audit append: %w", err)
	}
	return nil
}

func link(previous []byte, seq int64, body []byte) []byte {
	return sm.Digest(previous, binary.BigEndian.AppendUint64(nil, uint64(seq)), body)
}

// ErrBroken reports that the chain is broken, and where.
var ErrBroken = errors.New("audit: the chain is broken")

// row is a stored record.
type row struct {
	Seq                      int64
	EventID, Type, Subject   string
	Occurred                 time.Time
	Body, PreviousHash, Hash []byte
}

// Verify reads the whole chain and returns its length. ErrBroken names the number of
// the first wrong record, or says that records at the end are missing.
func Verify(ctx context.Context, db *pg.DB) (length int64, err error) {
	rows, err := db.Reader().Query(ctx, sqlWalk)
	if err != nil {
		return 0, err
	}
	var r row
	last := make([]byte, 32)
	targets := []any{&r.Seq, &r.EventID, &r.Type, &r.Subject, &r.Occurred, &r.Body, &r.PreviousHash, &r.Hash}
	_, err = pgx.ForEachRow(rows, targets, func() error {
		length++
		if r.Seq != length || !r.holds(last) {
			return fmt.Errorf("%w at %d", ErrBroken, length)
		}
		last = bytes.Clone(r.Hash)
		return nil
	})
	if err != nil {
		return length, err //nolint:wrapcheck // the Reader's rows wrap it
	}
	var missing int64
	if err := db.Reader().QueryRow(ctx, sqlMissing, Consumer).Scan(&missing); err != nil {
		return length, err //nolint:wrapcheck // the Reader's row wraps it
	}
	if missing > 0 {
		return length, fmt.Errorf("%w: %d recorded events are not in it", ErrBroken, missing)
	}
	return length, nil
}

// holds reports whether the row continues the hash `last`, and its columns agree with
// its body.
func (r row) holds(last []byte) bool {
	var told Record
	return json.Unmarshal(r.Body, &told) == nil &&
		told.EventID == r.EventID && told.Type == r.Type && told.Subject == r.Subject && told.Occurred.Equal(r.Occurred) &&
		bytes.Equal(r.PreviousHash, last) && bytes.Equal(r.Hash, link(last, r.Seq, r.Body))
}
