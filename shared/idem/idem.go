// Package idem stores the answers to requests that must have their effect only once
// (LOGIC-013).
//
// A record is (caller, operation, key) with the SM3 of the request and the reply. It
// commits together with the effect. A repeated request gets the stored reply. Another
// request under the same key is refused: IDEMPOTENCY_KEY_REUSED.
//
// A reply may hold personal data, such as a memo. So it is sealed under a key of its
// own record. Earlier releases stored replies in clear, as JSON; a record of theirs is
// still answered, until its retention ends.
package idem

import (
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
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
    SELECT caller, operation, key FROM idempotency WHERE created_at < $2::timestamptz LIMIT $1)`

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

// Answer returns the stored reply if the ticket is for the same request. The ring holds
// the purpose Storage.
func (s Stored) Answer(ring *keys.Ring, t Ticket) ([]byte, error) {
	if !hmac.Equal(s.bodyHash, t.BodyHash) {
		return nil, ErrKeyReused
	}
	if json.Valid(s.reply) { // of an earlier release; a sealed reply begins with a control character
		return s.reply, nil
	}
	reply, err := ring.Open(keys.Storage, t.place(), s.reply)
	if err != nil {
		return nil, fmt.Errorf("stored reply: %w", err)
	}
	return reply, nil
}

// place names the record as the place of its sealed reply.
func (t Ticket) place() []byte {
	return keys.AAD("idempotency", "reply", strings.Join([]string{t.Caller, t.Operation, t.Key}, "\x00"))
}

// Record adds the ticket's record to the unit of work of its effect. Call it first: a
// concurrent duplicate then blocks at this record, before it takes any other lock. If the
// first request still works after half a second, the commit of the duplicate fails with
// REQUEST_IN_PROGRESS. The ring holds the purpose Storage.
func Record(unit *pg.Unit, ring *keys.Ring, t Ticket, reply []byte) error {
	sealed, err := ring.Seal(keys.Storage, t.place(), reply)
	if err != nil {
		return fmt.Errorf("seal reply: %w", err)
	}
	unit.Add(pg.Statement{
		Call:   "idempotency_record",
		Rows:   sqlRecordRows,
		Args:   []any{t.Caller, t.Operation, t.Key, t.BodyHash, sealed},
		Refuse: map[string]error{"idempotency_key_unique": ErrRepeated},
	})
	return nil
}
