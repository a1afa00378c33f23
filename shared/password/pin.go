package password

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/text/width"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// The PIN code (PIN码) of a corporate customer is 6 to 8 digits (AUTH-001). The counter gives one, and
// until the customer has changed it, it proves only this change.

const (
	// The policy's figures pin_code.lock_after and .lock_seconds bound the failures in a row,
	// .freeze_after the failures of a day.
	sqlPINCountAttempt = `-- pin_code.count_attempt
SELECT o_verdict, coalesce(o_stored, ''), coalesce(o_left, 0), o_until FROM pin_code_count_attempt($1, $2, $3, $4, $5, $6)`

	sqlPINFail = `-- pin_code.fail
SELECT coalesce(o_left, 0), o_until FROM pin_code_fail($1, $2, $3)`

	sqlPINRelease = `-- pin_code.release
UPDATE pin_code SET in_flight = greatest(in_flight - 1, 0) WHERE customer_id = $1`

	sqlPINResetRows = `-- pin_code.reset_attempts.rows
SELECT pin_code_reset_attempts(customer)
  FROM (SELECT * FROM unnest($1::uuid[]) AS code (customer) ORDER BY 1) AS code`

	sqlPINStored = `-- pin_code.stored
SELECT code FROM pin_code WHERE customer_id = $1`

	sqlPINOwn = `-- pin_code.own
SELECT EXISTS (SELECT FROM pin_code WHERE customer_id = $1 AND NOT given)`

	sqlPINSet = `-- pin_code.set
UPDATE pin_code SET code = $2, given = false WHERE customer_id = $1`

	// A code that the counter gives begins without a lock.
	sqlPINGive = `-- pin_code.give
INSERT INTO pin_code (customer_id, code, given) VALUES ($1, $2, true)
ON CONFLICT (customer_id) DO UPDATE SET code = $2, given = true, failures = 0, day_failures = 0, locked_until = NULL`

	sqlPINRehash = `-- pin_code.rehash
UPDATE pin_code SET code = $3 WHERE customer_id = $1 AND code = $2`

	sqlPINForget = `-- pin_code.forget
DELETE FROM pin_code WHERE customer_id = $1`
)

// OfPIN is the place of a customer's PIN code.
func OfPIN(customer uuid.UUID) Place { return Place{table: "pin_code", column: "code", row: customer} }

// OpenPIN is OpenDigits for a PIN code.
func OpenPIN(ring *keys.Ring, id channel.ID, field string, sealed []byte) ([]byte, error) {
	clear, err := OpenField(ring, id, field, sealed)
	if err != nil {
		return nil, err
	}
	clear = width.Fold.Bytes(clear)
	if n := len(clear); n < pinMin || n > pinMax || !digits.Only(string(clear)) {
		return nil, bankerr.InvalidField(field, fmt.Sprintf("not %d to %d digits", pinMin, pinMax))
	}
	return clear, nil
}

// PINAttempt is one guess at a customer's PIN code for an open intent. CountPIN counts it as in
// flight, CheckPIN compares it, and then exactly one of FailPIN, ReleasePIN and ResetPINAttempts
// settles it, as for a TradeAttempt.
type PINAttempt struct {
	CustomerID uuid.UUID
	IntentID   uuid.UUID
	DeviceID   string
	Operation  string // the confirming function
	Now        time.Time

	// These fields are set after CountPIN.
	Verdict TradeVerdict
	Damaged bool       // set by CheckPIN: the bank can't read the stored code
	Left    int        // guesses that are left if this guess is wrong
	Until   *time.Time // the end of the lock; nil: not locked

	stored   string
	compared compared
}

// CountPIN adds the statement that counts the guess to the batch.
func (a *PINAttempt) CountPIN(batch *pgx.Batch) {
	batch.Queue(sqlPINCountAttempt, a.CustomerID, a.Now, clock.BusinessDay(a.Now), a.IntentID, a.DeviceID, a.Operation).
		QueryRow(func(row pgx.Row) error {
			a.Verdict, a.stored, a.Left, a.Until = "", "", 0, nil
			if err := row.Scan(&a.Verdict, &a.stored, &a.Left, &a.Until); err != nil {
				return pg.Classify(fmt.Errorf("count PIN code attempt: %w", err))
			}
			return nil
		})
}

// Counted reports whether the guess is counted and must be settled.
func (a *PINAttempt) Counted() bool { return a.Verdict == TradeOpen || a.Verdict == TradeReopened }

// CheckPIN reports whether a counted guess is right. A guess that is not counted is never right,
// and costs the same work.
func (a *PINAttempt) CheckPIN(turn *Turn, guess []byte) (right bool, err error) {
	checked, err := turn.Check(OfPIN(a.CustomerID), a.stored, guess)
	a.compared, a.Damaged = compared{a.stored, guess, checked}, checked.Damaged
	return checked.Right, err
}

// Stale reports whether RehashPIN has something to do.
func (a *PINAttempt) Stale() bool { return a.compared.checked.Stale }

// RehashPIN adds to the unit of a call that succeeds the statement that stores the code anew.
func (a *PINAttempt) RehashPIN(ctx context.Context, turn *Turn, unit *pg.Unit) error {
	return turn.rehash(ctx, unit, sqlPINRehash, OfPIN(a.CustomerID), a.compared)
}

// FailPIN adds to the unit the statement that makes the guess a failure.
func (a *PINAttempt) FailPIN(unit *pg.Unit) {
	unit.Add(pg.Statement{
		SQL: sqlPINFail, Args: []any{a.CustomerID, a.Now, clock.BusinessDay(a.Now)},
		Scan: func(row pgx.Row) error {
			if err := row.Scan(&a.Left, &a.Until); err != nil {
				return pg.Classify(fmt.Errorf("settle PIN code attempt: %w", err))
			}
			return nil
		},
	})
}

// ReleasePIN adds to the unit the statement that takes back a guess which was not compared.
func (a *PINAttempt) ReleasePIN(unit *pg.Unit) {
	unit.Add(pg.Statement{SQL: sqlPINRelease, Args: []any{a.CustomerID}})
}

// ResetPINAttempts adds to the unit the statement that settles a right guess.
func ResetPINAttempts(unit *pg.Unit, customer uuid.UUID) {
	unit.Add(pg.Statement{Call: "pin_code_reset_attempts", Rows: sqlPINResetRows, Args: []any{customer}})
}

// QueuePIN adds to the batch the query whether the customer has a PIN code that confirms.
func QueuePIN(batch *pgx.Batch, customer uuid.UUID, own *bool) {
	batch.Queue(sqlPINOwn, customer).QueryRow(func(row pgx.Row) error { return row.Scan(own) })
}

// SamePIN reports whether the text is the customer's PIN code. Only a customer who has proved two
// factors may learn the answer.
func SamePIN(ctx context.Context, db pg.Reader, turn *Turn, customer uuid.UUID, clear []byte) (bool, error) {
	var stored string
	if err := pg.Optional(db.QueryRow(ctx, sqlPINStored, customer).Scan(&stored)); err != nil {
		return false, fmt.Errorf("present PIN code: %w", err)
	}
	checked, err := turn.Check(OfPIN(customer), stored, clear)
	return checked.Right, err
}

// SetPIN adds to the unit the statement that stores the PIN code that the customer has chosen. Its
// lock and its counts stay.
func SetPIN(ctx context.Context, to pg.Writer, turn *Turn, customer uuid.UUID, clear []byte) error {
	return storePIN(ctx, to, turn, sqlPINSet, customer, clear)
}

// GivePIN adds to the unit the statement that stores a PIN code which the counter gives.
func GivePIN(ctx context.Context, to pg.Writer, turn *Turn, customer uuid.UUID, clear string) error {
	return storePIN(ctx, to, turn, sqlPINGive, customer, []byte(clear))
}

func storePIN(ctx context.Context, to pg.Writer, turn *Turn, sql string, customer uuid.UUID, clear []byte) error {
	text, err := turn.Hash(OfPIN(customer), clear)
	if err != nil {
		return fmt.Errorf("set a PIN code: %w", err)
	}
	return to.Write(ctx, pg.Statement{SQL: sql, Args: []any{customer, text}})
}

// GivenPIN returns a random PIN code that meets the rules for the customer of p.
func (p New) GivenPIN() string {
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
		if err != nil { // never (crypto/rand)
			continue
		}
		p.PIN = fmt.Sprintf("%06d", n)
		if p.CheckPIN() == nil {
			return p.PIN
		}
	}
}
