package password

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	// The policy's figures trade_password.lock_after and .lock_seconds bound the
	// failures in a row.
	sqlTradeCountAttempt = `-- trade_password.count_attempt
SELECT trade_password_count_attempt($1, $2, $3, $4, $5, $6)`

	sqlTradeResetRows = `-- trade_password.reset_attempts.rows
SELECT trade_password_reset_attempts(customer)
  FROM (SELECT * FROM unnest($1::uuid[]) AS credential (customer) ORDER BY 1) AS credential`
)

// TradeAttempt is one guess at a customer's trade password, for an open intent.
type TradeAttempt struct {
	CustomerID uuid.UUID
	IntentID   uuid.UUID
	DeviceID   string
	Operation  string // the confirming function
	Now        time.Time
}

// Count adds the statement that counts the attempt to the batch. read gets a verdict,
// a blank and the stored password. It gets NULL if the password is locked or the
// intent is not open.
func (a TradeAttempt) Count(batch *pgx.Batch, read func(row pgx.Row) error) {
	batch.Queue(sqlTradeCountAttempt, a.CustomerID, a.Now, clock.BusinessDay(a.Now), a.IntentID, a.DeviceID,
		a.Operation).QueryRow(read)
}

// ResetTradeAttempts adds to the unit the statement that sets the customer's failures
// in a row to zero.
func ResetTradeAttempts(unit *pg.Unit, customer uuid.UUID) {
	unit.Add(pg.Statement{Call: "trade_password_reset_attempts", Rows: sqlTradeResetRows, Args: []any{customer}})
}
