package otp

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlCountInFlight = `-- otp.count_in_flight
SELECT o_verdict, o_nonce, o_binding, coalesce(o_issued_at, to_timestamp(0)), coalesce(o_left, 0)
  FROM otp_count_in_flight($1, $2, $3, $4)`

	// The nonce makes sure that a settlement never changes the count of a newer code.
	sqlFail = `-- otp.fail
UPDATE otp_challenge SET tries = tries + 1, in_flight = greatest(in_flight - 1, 0) WHERE subject = $1 AND nonce = $2
RETURNING greatest(max_tries - tries, 0)`

	sqlRelease = `-- otp.release
UPDATE otp_challenge SET in_flight = greatest(in_flight - 1, 0) WHERE subject = $1 AND nonce = $2`
)

// CountInFlight adds the statement that counts the guess as in flight to the batch. It
// is for a code whose right guess may come several times at once, as when an app repeats
// a request. A guess in flight takes part in the bound of tries. After the comparison,
// Fail or Release settles it, unless the guess was right and had its effect. The batch
// may be sent again: the last answer decides.
func (a *Attempt) CountInFlight(batch *pgx.Batch, now time.Time) {
	batch.Queue(sqlCountInFlight, a.Subject, a.DeviceID, a.CustomerID, now).QueryRow(func(row pgx.Row) error {
		a.verdict, a.nonce, a.binding, a.issuedAt, a.Left = "", nil, nil, time.Time{}, 0
		return row.Scan(&a.verdict, &a.nonce, &a.binding, &a.issuedAt, &a.Left)
	})
}

// Counted reports whether the guess is counted as in flight and must be settled.
func (a *Attempt) Counted() bool { return a.verdict == "counted" }

// Waits reports whether the guess is not counted, because guesses in flight may use the
// tries up. It may be counted when they are settled.
func (a *Attempt) Waits() bool { return a.verdict == "wait" }

// Settled forgets the count, so that it is settled once.
func (a *Attempt) Settled() { a.verdict = "" }

// Fail adds to the unit the statement that makes the guess a used try.
func (a *Attempt) Fail(unit *pg.Unit) {
	unit.Add(pg.Statement{SQL: sqlFail, Args: []any{a.Subject, a.nonce}, Scan: func(row pgx.Row) error {
		a.Left = 0 // also without a row: a newer code has replaced this code
		return pg.Classify(pg.Optional(row.Scan(&a.Left)))
	}})
}

// Release adds to the unit the statement that takes back a guess that was right, or was
// not compared.
func (a *Attempt) Release(unit *pg.Unit) {
	unit.Add(pg.Statement{SQL: sqlRelease, Args: []any{a.Subject, a.nonce}})
}
