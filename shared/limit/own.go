package limit

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

const sqlForgetOwn = `-- own_limit.forget
DELETE FROM own_limit WHERE customer_id = $1`

// none is an own limit that the customer has not set.
const none money.Fen = math.MaxInt64

// Own is a customer's own limit for transfers of one kind (ACCT-006). The lower of it and the bank's
// limit holds.
type Own struct {
	PerTransfer money.Fen `json:"per_transfer_fen"`
	PerDay      money.Fen `json:"per_day_fen"`
}

// Raises reports whether one of the figures is higher than the other limit's.
func (o Own) Raises(before Own) bool {
	return o.PerTransfer > before.PerTransfer || o.PerDay > before.PerDay
}

// OwnChange is a confirmed change of a customer's own limit of one kind.
type OwnChange struct {
	CustomerID uuid.UUID
	Kind       Kind
	Own        Own
	Raises     bool
	Before     *Own // what was set at the preparation; nil: nothing
	At         time.Time
}

// SetOwn adds to the unit the statement that stores the customer's own limit. It returns stale at the
// commit if a change that does not raise would raise the limit now, or if the limit that a change
// raises is not what it was before.
func SetOwn(u *pg.Unit, c OwnChange, stale *bankerr.Error) {
	var transfer, day *money.Fen
	if c.Before != nil {
		transfer, day = &c.Before.PerTransfer, &c.Before.PerDay
	}
	u.Add(pg.Statement{
		Call:   "limit_set_own",
		Args:   []any{c.CustomerID, string(c.Kind), c.Own.PerTransfer, c.Own.PerDay, c.Raises, transfer, day, c.At},
		Refuse: map[string]error{stale.Code(): stale.Because(errChanged)},
	})
}

var errChanged = errors.New("the customer's own limit has changed since the preparation")

// Forget deletes the own limits of a customer whose record is erased.
func Forget(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlForgetOwn, Args: []any{customer}})
}
