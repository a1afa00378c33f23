// Package option owns the table option_change: the risky options of the bank's functions that
// customers have switched on and off.
//
// An option is off for a new customer, and its use is refused. The customer switches it on after
// the app has shown its warning, and acknowledges the warning by its SM3 digest. Each change is
// a row with the warning as it was acknowledged, the device and the time; the newest row decides.
// A row is never changed. Amounts are fen. Refusals: OPTION_OFF, WARNING_UNACKNOWLEDGED.
//
// Source: RISK-004.
package option

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// Refusals.
var (
	ErrOff            = bankerr.New(bankerr.Refused, "OPTION_OFF")
	ErrUnacknowledged = bankerr.New(bankerr.Refused, "WARNING_UNACKNOWLEDGED")
)

// Name names an option. The table's CHECK lists the same names.
type Name string

// LargeTransfer lets the customer pay others more than the policy figure transfer.large_above
// in one transfer.
const LargeTransfer Name = "large_transfer"

// Option is a risky option, with the Chinese texts that the app shows.
type Option struct {
	Name    Name
	Title   string
	Warning string
}

// All lists the options.
func All() []Option {
	return []Option{{
		Name: LargeTransfer, Title: "大额转账",
		Warning: "开启后，您的手机银行可以向他人发起大额转账。一旦您的手机、密码或动态令牌被他人掌握，损失可能更大，且转账一般无法撤回。" +
			"请确认您确有需要；不使用时请及时关闭。",
	}}
}

// Find returns the option of a name.
func Find(name Name) (Option, bool) {
	for _, o := range All() {
		if o.Name == name {
			return o, true
		}
	}
	return Option{}, false
}

// Digest is the SM3 of the warning in UTF-8, by which the customer acknowledges this text.
func (o Option) Digest() []byte { return sm.Digest([]byte(o.Warning)) }

// Acknowledged reports whether the digest is of this option's warning.
func (o Option) Acknowledged(digest []byte) bool { return bytes.Equal(digest, o.Digest()) }

const (
	sqlChange = `-- option_change.insert
INSERT INTO option_change (id, customer_id, option, switched_on, warning, device_id, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`

	sqlNewest = `-- option_change.newest
SELECT DISTINCT ON (option) option, switched_on, changed_at FROM option_change WHERE customer_id = $1
 ORDER BY option, changed_at DESC, id DESC`

	sqlLarge = `-- option_change.large
SELECT coalesce((SELECT switched_on FROM option_change WHERE customer_id = $1 AND option = $2
                  ORDER BY changed_at DESC, id DESC LIMIT 1), false), policy_value('transfer.large_above', $3)`

	sqlOptionsForget = `-- option_change.forget
DELETE FROM option_change WHERE customer_id = $1`
)

// State is an option of a customer.
type State struct {
	On        bool
	ChangedAt *time.Time // nil: the customer has never changed it
}

// ListOptions returns the state of each option that the customer has changed. Each other one is
// off.
func ListOptions(ctx context.Context, db pg.Reader, customer uuid.UUID) (map[Name]State, error) {
	rows, err := db.Query(ctx, sqlNewest, customer)
	if err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	states := map[Name]State{}
	var name Name
	var on bool
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&name, &on, &at}, func() error {
		changed := at
		states[name] = State{On: on, ChangedAt: &changed}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	return states, nil
}

// Change is a change of an option by its customer.
type Change struct {
	Customer uuid.UUID
	Option   Option
	On       bool // the customer has acknowledged the option's warning
	DeviceID string
	At       time.Time
}

// SwitchOption adds the change to a unit of work. A change to on keeps the warning.
func SwitchOption(unit *pg.Unit, c Change) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("option: %w", err)
	}
	warning := ""
	if c.On {
		warning = c.Option.Warning
	}
	unit.Add(pg.Statement{SQL: sqlChange, Args: []any{id, c.Customer, c.Option.Name, c.On, warning, c.DeviceID, c.At}})
	return nil
}

// Large is what a customer may pay others in one transfer.
type Large struct {
	On    bool
	Above money.Fen // a larger amount needs the option
}

// Allows reports whether the customer may pay the amount.
func (l Large) Allows(amount money.Fen) bool { return l.On || amount <= l.Above }

// QueueLarge adds to the batch the query for the option LargeTransfer of a customer.
func QueueLarge(batch *pgx.Batch, customer uuid.UUID, now time.Time, found *Large) {
	batch.Queue(sqlLarge, customer, LargeTransfer, clock.BusinessDay(now)).QueryRow(func(row pgx.Row) error {
		return row.Scan(&found.On, &found.Above)
	})
}

// Forget deletes the changes of a customer whose record is erased.
func Forget(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlOptionsForget, Args: []any{customer}})
}
