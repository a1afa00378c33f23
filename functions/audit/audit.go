// Package audit keeps the bank's append-only record of what happened.
//
// Records form a chain: each holds the SM3 of the one before and of itself, so
// that a change, a gap or a reordering shows (AUDIT-001, AUDIT-003). The database
// refuses updates and deletions; Verify walks the chain.
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
	// One writer at a time: the next link needs the last one.
	sqlLock = `SELECT pg_advisory_xact_lock(7124002)`

	sqlLast = `-- audit.last
SELECT seq, hash FROM audit_record ORDER BY seq DESC LIMIT 1`

	sqlAppend = `-- audit.append
INSERT INTO audit_record (seq, event_id, type, subject, occurred_at, body, prev_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

	sqlWalk = `-- audit.walk
SELECT seq, event_id, type, subject, body, prev_hash, hash FROM audit_record ORDER BY seq`
)

// Append adds a record to the chain in the transaction of its event's dedupe.
func Append(ctx context.Context, tx pgx.Tx, r Record) error {
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
	return sm.Digest(previous, binary.BigEndian.AppendUint64(nil, uint64(seq)), body) //nolint:gosec // counts from 1
}

// ErrBroken tells where the chain does not hold.
var ErrBroken = errors.New("audit: the chain is broken")

// Verify walks the whole chain and returns its length.
func Verify(ctx context.Context, db *pg.DB) (length int64, err error) {
	rows, err := db.Pool().Query(ctx, sqlWalk)
	if err != nil {
		return 0, pg.Refusal(fmt.Errorf("audit walk: %w", err))
	}
	var seq int64
	var eventID, kind, subject string
	var body, previous, hash []byte
	last := make([]byte, 32)
	_, err = pgx.ForEachRow(rows, []any{&seq, &eventID, &kind, &subject, &body, &previous, &hash}, func() error {
		length++
		var r Record
		if json.Unmarshal(body, &r) != nil || r.EventID != eventID || r.Type != kind || r.Subject != subject ||
			seq != length || !bytes.Equal(previous, last) || !bytes.Equal(hash, link(previous, seq, body)) {
			return fmt.Errorf("%w at %d", ErrBroken, length)
		}
		last = bytes.Clone(hash)
		return nil
	})
	return length, err //nolint:wrapcheck // ErrBroken or the driver's
}
