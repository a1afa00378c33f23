// Package limit counts what customers use of their limits, by kind and business
// day, in the transaction of the use itself (LIMIT-001, LIMIT-006).
//
// Amounts are fen. Concurrent uses never add up above the cap. Policy figures
// are dated: the one in force on a day is the latest that is valid by then.
// Refusal: LIMIT_EXCEEDED.
package limit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// ErrExceeded refuses a use that would go above the cap.
var ErrExceeded = bankerr.New(bankerr.Refused, "LIMIT_EXCEEDED")

const (
	sqlPolicy = `-- policy.in_force
SELECT value FROM policy WHERE name = $1 AND valid_from <= $2 ORDER BY valid_from DESC LIMIT 1`
)

// Use adds to the unit of work the use of amount, at most cap in all that day.
func Use(u *pg.Unit, customer uuid.UUID, kind string, day time.Time, amount, most money.Fen) {
	u.Add(pg.Statement{
		Call: "limit_use", Args: []any{customer, kind, day, amount, most},
		Refuse: map[string]error{ErrExceeded.Code(): ErrExceeded},
	})
}

// Policy is the figure in force on a day, in the unit that its name implies.
func Policy(ctx context.Context, db *pg.DB, name string, day time.Time) (int64, error) {
	var value int64
	if err := db.Pool().QueryRow(ctx, sqlPolicy, name, day).Scan(&value); err != nil {
		return 0, pg.Refusal(fmt.Errorf("policy %s: %w", name, err))
	}
	return value, nil
}
