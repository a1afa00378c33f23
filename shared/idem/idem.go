// Package idem stores the answers to requests that must have their effect only once
// (LOGIC-013).
//
// A record is (caller, operation, key) with the SM3 of the request and the reply. It
// commits together with the effect. A repeated request gets the stored reply. Another
// request under the same key is refused: IDEMPOTENCY_KEY_REUSED.
package idem

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
)

// ErrKeyReused refuses a key that belongs to another request.
var ErrKeyReused = bankerr.New(bankerr.Conflict, "IDEMPOTENCY_KEY_REUSED")

// ErrRepeated tells the runtime that a concurrent duplicate of the request committed
// first. The runtime then answers with that duplicate's reply.
var ErrRepeated = errors.New("idem: the same request has committed already")

// Ticket identifies one request that must have its effect only once.
type Ticket struct {
	Caller    string // the caller, e.g. customer:<id>
	Operation string // the function's name
	Key       string // the client's idempotency key
	BodyHash  []byte // SM3 of the request
}

// Stored is a stored record.
type Stored struct {
	bodyHash []byte
	reply    []byte
}

const (
	sqlLookup = `-- idempotency.lookup
SELECT body_hash, reply FROM idempotency WHERE caller = $1 AND operation = $2 AND key = $3`

	sqlPrune = `-- idempotency.prune
DELETE FROM idempotency WHERE (caller, operation, key) IN (
    SELECT caller, operation, key FROM idempotency WHERE created_at < now() - $2::interval LIMIT $1)`

	sqlRecordRows = `-- idempotency.record.rows
INSERT INTO idempotency (caller, operation, key, body_hash, reply)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[]) ORDER BY 1, 2, 3`
)

// Retention keeps a record for 30 days: a client may repeat a request under its key
// for that time. A request that comes later has its effect again, if its intent or
// object still allows it.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "idempotency", Keep: 30 * 24 * time.Hour, SQL: sqlPrune,
		Why: "A client may repeat a request under its key for 30 days.",
	}
}

// QueueLookup adds the query for the ticket's record to the batch. found is called if
// there is a record.
func QueueLookup(batch *pgx.Batch, t Ticket, found func(Stored)) {
	batch.Queue(sqlLookup, t.Caller, t.Operation, t.Key).QueryRow(func(row pgx.Row) error {
		var s Stored
		err := row.Scan(&s.bodyHash, &s.reply)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("idempotency lookup: %w", err)
		}
		found(s)
		return nil
	})
}

// Answer returns the stored reply if the ticket is for the same request.
func (s Stored) Answer(t Ticket) ([]byte, error) {
	if !hmac.Equal(s.bodyHash, t.BodyHash) {
		return nil, ErrKeyReused
	}
	return s.reply, nil
}

// Record adds the ticket's record to the unit of work of its effect. Call it first: a
// concurrent duplicate then blocks at this record, before it takes any other lock. If the
// first request still works after half a second, the commit of the duplicate fails with
// REQUEST_IN_PROGRESS.
func Record(unit *pg.Unit, t Ticket, reply []byte) {
	unit.Add(pg.Statement{
		Call:   "idempotency_record",
		Rows:   sqlRecordRows,
		Args:   []any{t.Caller, t.Operation, t.Key, t.BodyHash, reply},
		Refuse: map[string]error{"idempotency_key_unique": ErrRepeated},
	})
}
