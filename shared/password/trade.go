package password

import (
	"context"
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

	sqlTradeReset = `-- trade_password.reset_attempts
SELECT trade_password_reset_attempts($1)`

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

// TradeAttempt is one guess at a customer's trade password: for an open intent, or at a
// login to bind a device's key. Count counts the guess as in flight, and Check compares
// it. Then exactly one of these settles it: Fail, Release, or ResetTradeAttempts for a
// right guess; or SettleAtLogin. A guess in flight takes part in the bound, but it
// locks nothing before Fail: several right guesses at once never lock.
type TradeAttempt struct {
	CustomerID uuid.UUID // at a login: the nil id unless the other factors were right
	AtLogin    bool      // there is no intent
	IntentID   uuid.UUID
	DeviceID   string
	Operation  string // the confirming function
	Now        time.Time

	// These fields are set after Count.
	Verdict TradeVerdict

	// Damaged is set by Check: the bank can't read the stored password.
	Damaged bool

	Left  int        // guesses that are left if this guess is wrong
	Until *time.Time // the end of the lock or freeze, after Count or Fail; nil: not locked

	stored   string // of a counted guess
	compared compared
}

// CountTrade adds the statement that counts the guess to the batch. The batch may be sent
// again: the last answer decides.
func (a *TradeAttempt) CountTrade(batch *pgx.Batch) {
	intent := &a.IntentID
	if a.AtLogin {
		intent = nil
	}
	batch.Queue(sqlTradeCountAttempt, a.CustomerID, a.Now, clock.BusinessDay(a.Now), intent, a.DeviceID,
		a.Operation).QueryRow(func(row pgx.Row) error {
		a.Verdict, a.stored, a.Left, a.Until = "", "", 0, nil
		if err := row.Scan(&a.Verdict, &a.stored, &a.Left, &a.Until); err != nil {
			return pg.Classify(fmt.Errorf("count trade password attempt: %w", err))
		}
		return nil
	})
}

// Counted reports whether the guess is counted and must be settled.
func (a *TradeAttempt) Counted() bool { return a.Verdict == TradeOpen || a.Verdict == TradeReopened }

// Check reports whether a counted guess is right. A guess that is not counted is never
// right, and costs the same work. An error means that the bank can't compare now.
func (a *TradeAttempt) Check(turn *Turn, guess []byte) (right bool, err error) {
	checked, err := turn.Check(OfTrade(a.CustomerID), a.stored, guess)
	a.compared, a.Damaged = compared{a.stored, guess, checked}, checked.Damaged
	return checked.Right, err
}

// Rehash adds to the unit of a call that succeeds the statement that stores the password
// anew, if its stored text is out of date.
func (a *TradeAttempt) Rehash(ctx context.Context, turn *Turn, unit *pg.Unit) error {
	return turn.rehash(ctx, unit, sqlRehashTrade, OfTrade(a.CustomerID), a.compared)
}

// Stale reports whether Rehash has something to do.
func (a *TradeAttempt) Stale() bool { return a.compared.checked.Stale }

// SettleAtLogin adds to the batch the statement that settles a guess at a login: as a failure
// unless it was right, or taken back if it was not compared. A guess that is not counted
// costs a statement too, which changes nothing.
func (a *TradeAttempt) SettleAtLogin(batch *pgx.Batch, compared, right bool) {
	switch {
	case a.Counted() && right:
		batch.Queue(sqlTradeReset, a.CustomerID)
	case a.Counted() && !compared:
		batch.Queue(sqlTradeRelease, a.CustomerID)
	default:
		customer, until := a.CustomerID, a.Until
		if !a.Counted() {
			customer = uuid.Nil
		}
		batch.Queue(sqlTradeFail, customer, a.Now, clock.BusinessDay(a.Now)).QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&a.Left, &a.Until); err != nil {
				return pg.Classify(fmt.Errorf("settle trade password attempt: %w", err))
			}
			if a.Until == nil {
				a.Until = until
			}
			return nil
		})
	}
}

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
