// Package audit keeps the bank's append-only record of all events.
//
// Records form a chain. The hash of a record is the HMAC-SM3, under the key of the
// purpose Audit, of the previous hash, its number and its body. So Verify finds a
// change, a gap or a new order, also if a person who can write every table computes
// all hashes anew: that person lacks the key. Verify also finds missing records at the
// end: each event that audit has consumed must have a record. A person who deletes
// from both tables leaves a shorter chain that holds; only a note of the length in
// another system shows that (`tide audit verify` prints it).
//
// Records of before the key have the plain SM3 and no mac_key. They come first, and
// the first record with a MAC covers them. So the last record must have a MAC.
//
// The database refuses updates, deletions and truncation. Numbers count from 1 without
// gaps. The whole bank appends one record at a time. Source: AUDIT-001, AUDIT-003.
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

	"github.com/tidebank/tidebank/shared/keys"
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
INSERT INTO audit_record (seq, event_id, type, subject, occurred_at, body, prev_hash, hash, mac_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	sqlWalk = `-- audit.walk
SELECT seq, event_id, type, subject, occurred_at, body, prev_hash, hash, mac_key FROM audit_record ORDER BY seq`

	sqlMissing = `-- audit.missing
SELECT count(*) FROM event_consumed c
 WHERE c.consumer = $1 AND NOT EXISTS (SELECT 1 FROM audit_record a WHERE a.event_id = c.id)`
)

// Consumer is the function that appends.
const Consumer = "audit-on-event"

// Append adds a record to the chain, in the transaction that records the event as
// consumed. The ring holds the purpose Audit.
func Append(ctx context.Context, tx pg.Tx, ring *keys.Ring, r Record) error {
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
	if pg.Optional(err) != nil {
		return fmt.Errorf("audit last: %w", err)
	}
	seq++
	hash, key := ring.MAC(keys.Audit, link(previous, seq, body)...)
	_, err = tx.Exec(ctx, sqlAppend, seq, r.EventID, r.Type, r.Subject, r.Occurred, body, previous, hash, key)
	if err != nil {
		return fmt.Errorf("audit append: %w", err)
	}
	return nil
}

// link returns the parts that the hash of a record covers.
func link(previous []byte, seq int64, body []byte) [][]byte {
	return [][]byte{previous, binary.BigEndian.AppendUint64(nil, uint64(seq)), body}
}

// ErrBroken reports that the chain is broken, and where.
var ErrBroken = errors.New("audit: the chain is broken")

// Chain is what Verify has read.
type Chain struct {
	Length int64
	Plain  int64  // records of before the key; they come first
	Last   []byte // the hash of the last record, for a note in another system
}

// row is a stored record.
type row struct {
	Seq                      int64
	EventID, Type, Subject   string
	Occurred                 time.Time
	Body, PreviousHash, Hash []byte
	Key                      string
}

// Verify reads the whole chain with a ring that holds the purpose Audit. ErrBroken
// names the number of the first wrong record, or says what is missing at the end.
func Verify(ctx context.Context, db *pg.DB, ring *keys.Ring) (Chain, error) {
	chain := Chain{Last: make([]byte, 32)}
	rows, err := db.Reader().Query(ctx, sqlWalk)
	if err != nil {
		return chain, err
	}
	var r row
	targets := []any{&r.Seq, &r.EventID, &r.Type, &r.Subject, &r.Occurred, &r.Body, &r.PreviousHash, &r.Hash, &r.Key}
	_, err = pgx.ForEachRow(rows, targets, func() error {
		plain := r.Key == "" && chain.Plain == chain.Length
		chain.Length++
		if r.Seq != chain.Length || r.Key == "" && !plain || !r.holds(ring, chain.Last) {
			return fmt.Errorf("%w at %d", ErrBroken, chain.Length)
		}
		if plain {
			chain.Plain++
		}
		chain.Last = bytes.Clone(r.Hash)
		return nil
	})
	if err != nil {
		return chain, err //nolint:wrapcheck // the Reader's rows wrap it
	}
	if chain.Plain > 0 && chain.Plain == chain.Length {
		return chain, fmt.Errorf("%w: no record has a MAC, so anyone may have written the %d records", ErrBroken, chain.Length)
	}
	var missing int64
	if err := db.Reader().QueryRow(ctx, sqlMissing, Consumer).Scan(&missing); err != nil {
		return chain, err //nolint:wrapcheck // the Reader's row wraps it
	}
	if missing > 0 {
		return chain, fmt.Errorf("%w: %d recorded events are not in it", ErrBroken, missing)
	}
	return chain, nil
}

// holds reports whether the row continues the hash `last`, and its columns agree with
// its body.
func (r row) holds(ring *keys.Ring, last []byte) bool {
	var told Record
	return json.Unmarshal(r.Body, &told) == nil &&
		told.EventID == r.EventID && told.Type == r.Type && told.Subject == r.Subject && told.Occurred.Equal(r.Occurred) &&
		bytes.Equal(r.PreviousHash, last) && r.authentic(ring, last)
}

func (r row) authentic(ring *keys.Ring, last []byte) bool {
	parts := link(last, r.Seq, r.Body)
	if r.Key == "" {
		return bytes.Equal(r.Hash, sm.Digest(parts...))
	}
	return ring.VerifyMAC(keys.Audit, r.Key, r.Hash, parts...) == nil
}
