package password

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	// The policy's figures trade_password.lock_after and .lock_seconds bound the
	// failures in a row, .freeze_after the failures of a day.
	sqlTradeCountAttempt = `-- trade_password.count_attempt
SELECT o_verdict, coalesce(o_stored, ''), coalesce(o_left, 0), o_until FROM trade_password_count_attempt($1, $2, $3, $4, $5, $6)`

	sqlTradeFail = `-- trade_password.fail
SELECT coalesce(o_left, 0), o_until FROM trade_password_fail($1, $2, $3)`

	sqlTradeRelease = `-- trade_password.release
UPDATE credential SET trade_in_flight = greatest(trade_in_flight - 1, 0) WHERE customer_id = $1`

	sqlTradeResetRows = `-- trade_password.reset_attempts.rows
SELECT trade_password_reset_attempts(customer)
  FROM (SELECT * FROM unnest($1::uuid[]) AS credential (customer) ORDER BY 1) AS credential`
)

// TradeVerdict is the decision whether the bank compares a guess at a trade password.
type TradeVerdict string

// The verdicts. Only the guesses of the first two are counted.
const (
	TradeOpen     TradeVerdict = "open"
	TradeReopened TradeVerdict = "reopened" // this is the first guess after a lock
	TradeWait     TradeVerdict = "wait"     // guesses in flight may reach the bound: try again when they are settled
	TradeLocked   TradeVerdict = "locked"
	TradeFrozen   TradeVerdict = "frozen" // until the next day begins in Shanghai
	TradeNone     TradeVerdict = "none"   // no password, or the intent is not open
)

// TradeAttempt is one guess at a customer's trade password, for an open intent. Count
// counts the guess as in flight. After the comparison, exactly one of these settles it:
// Fail, Release, or ResetTradeAttempts for a right guess. A guess in flight takes part in
// the bound, but it locks nothing before Fail: several right guesses at once never lock.
type TradeAttempt struct {
	CustomerID uuid.UUID
	IntentID   uuid.UUID
	DeviceID   string
	Operation  string // the confirming function
	Now        time.Time

	// These fields are set after Count.
	Verdict TradeVerdict
	Stored  string // the stored password of a counted guess

	Left  int        // guesses that are left if this guess is wrong
	Until *time.Time // the end of the lock or freeze, after Count or Fail; nil: not locked
}

// Count adds the statement that counts the guess to the batch. The batch may be sent
// again: the last answer decides.
func (a *TradeAttempt) Count(batch *pgx.Batch) {
	batch.Queue(sqlTradeCountAttempt, a.CustomerID, a.Now, clock.BusinessDay(a.Now), a.IntentID, a.DeviceID,
		a.Operation).QueryRow(func(row pgx.Row) error {
		a.Verdict, a.Stored, a.Left, a.Until = "", "", 0, nil
		if err := row.Scan(&a.Verdict, &a.Stored, &a.Left, &a.Until); err != nil {
			return pg.Classify(fmt.Errorf("count trade password attempt: %w", err))
		}
		return nil
	})
}

// Counted reports whether the guess is counted and must be settled.
func (a *TradeAttempt) Counted() bool { return a.Verdict == TradeOpen || a.Verdict == TradeReopened }

// Fail adds to the unit the statement that makes the guess a failure.
func (a *TradeAttempt) Fail(unit *pg.Unit) {
	unit.Add(pg.Statement{
		SQL: sqlTradeFail, Args: []any{a.CustomerID, a.Now, clock.BusinessDay(a.Now)},
		Scan: func(row pgx.Row) error {
			if err := row.Scan(&a.Left, &a.Until); err != nil {
				return pg.Classify(fmt.Errorf("settle trade password attempt: %w", err))
			}
			return nil
		},
	})
}

// Release adds to the unit the statement that takes back a guess which was not compared.
func (a *TradeAttempt) Release(unit *pg.Unit) {
	unit.Add(pg.Statement{SQL: sqlTradeRelease, Args: []any{a.CustomerID}})
}

// ResetTradeAttempts adds to the unit the statement that settles a right guess: it sets
// the customer's failures in a row to zero.
func ResetTradeAttempts(unit *pg.Unit, customer uuid.UUID) {
	unit.Add(pg.Statement{Call: "trade_password_reset_attempts", Rows: sqlTradeResetRows, Args: []any{customer}})
}
