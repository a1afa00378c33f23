package limit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// The limits by Bluetooth Key (蓝牙Key) are set for a customer and for each of the accounts, at
// the counter, by two persons (LIMIT-004). The lower of both holds, of one transfer and of a
// day. What is not set is a figure of the policy.

// ErrSet refuses a second limit of the same customer or account from the same time on.
var ErrSet = errors.New("limit: another one is set from this time on")

const (
	sqlBluetoothKey = `-- bluetooth_key_limit.in_force
SELECT l.o_customer_transfer, l.o_customer_day, l.o_account_transfer, l.o_account_day,
       coalesce((SELECT used FROM bluetooth_key_use WHERE account_id = $2 AND business_day = $4), 0)
  FROM bluetooth_key_limits($1, $2, $3, $4) l`

	sqlBluetoothKeyUseRows = `-- bluetooth_key_use.count.rows
SELECT bluetooth_key_count_use(customer, account, day, at, amount, most)
  FROM (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[], $4::timestamptz[], $5::bigint[], $6::bigint[])
                   AS used (customer, account, day, at, amount, most) ORDER BY 1, 2, 3) AS used`

	sqlBluetoothKeySet = `-- bluetooth_key_limit.insert
INSERT INTO bluetooth_key_limit (customer_id, account_id, per_transfer, per_day, valid_from, proposed_by, approved_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)`

	sqlBluetoothKeyPrune = `-- bluetooth_key_use.prune
DELETE FROM bluetooth_key_use WHERE (account_id, business_day) IN (
    SELECT account_id, business_day FROM bluetooth_key_use
     WHERE business_day < ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date LIMIT $1)`
)

// BluetoothKeyRetention keeps the use of a day as long as that of the other limits.
func BluetoothKeyRetention() pg.Retention {
	other := Retention()
	return pg.Retention{Table: "bluetooth_key_use", Keep: other.Keep, SQL: sqlBluetoothKeyPrune, Why: other.Why}
}

// BluetoothKey is what is set for a customer and the account that pays.
type BluetoothKey struct {
	PerTransfer money.Fen // the lower of both
	PerDay      money.Fen // of the customer, for all accounts together
	Account     Usage     // of the day, of this account alone
}

// QueueBluetoothKey adds to the batch the query for the limits in force. Without an account
// (uuid.Nil) they are the customer's alone.
func QueueBluetoothKey(batch *pgx.Batch, customer, account uuid.UUID, now time.Time, found *BluetoothKey) {
	paying := &account
	if account == uuid.Nil {
		paying = nil
	}
	batch.Queue(sqlBluetoothKey, customer, paying, now, clock.BusinessDay(now)).QueryRow(func(row pgx.Row) error {
		var transfer, day [2]money.Fen // of the customer, and of the account
		*found = BluetoothKey{}
		if err := row.Scan(&transfer[0], &day[0], &transfer[1], &day[1], &found.Account.Used); err != nil {
			return fmt.Errorf("limits of the Bluetooth Key: %w", err)
		}
		found.PerTransfer, found.PerDay = min(transfer[0], transfer[1]), day[0]
		found.Account.Cap, found.Account.Own = day[1], Own{PerTransfer: none, PerDay: none}
		return nil
	})
}

// BluetoothKeyUse is a transfer by Bluetooth Key.
type BluetoothKeyUse struct {
	Customer, Account uuid.UUID // Account pays
	At                time.Time
	Amount            money.Fen
	Most              money.Fen // the bank's own cap of the customer's day
}

// UseBluetoothKey is Use for a transfer by Bluetooth Key. The commit also refuses it above what is then
// set for the customer and the account, of one transfer and of the day.
func UseBluetoothKey(u *pg.Unit, use BluetoothKeyUse) {
	u.Add(pg.Statement{
		Call: "bluetooth_key_count_use", Rows: sqlBluetoothKeyUseRows,
		Args: []any{use.Customer, use.Account, clock.BusinessDay(use.At), use.At, use.Amount, use.Most},
		Refuse: map[string]error{
			ErrExceeded.Code(): Exceeded(use.At, use.Amount, use.Most), lowered: ErrExceeded,
		},
	})
}

// BluetoothKeyLimit is a limit that the counter sets for a customer, or for one account.
type BluetoothKeyLimit struct {
	Customer            uuid.UUID
	Account             *uuid.UUID // nil: for the customer
	PerTransfer, PerDay money.Fen
	From                time.Time
	ProposedBy          string
	ApprovedBy          string // another person
}

// SetBluetoothKeyLimit stores the limit. It returns ErrSet if there is one from the same time on.
func SetBluetoothKeyLimit(ctx context.Context, to pg.Writer, l BluetoothKeyLimit) error {
	return to.Write(ctx, pg.Statement{
		SQL:    sqlBluetoothKeySet,
		Args:   []any{l.Customer, l.Account, l.PerTransfer, l.PerDay, l.From, l.ProposedBy, l.ApprovedBy},
		Refuse: map[string]error{"bluetooth_key_limit_once": ErrSet},
	})
}
