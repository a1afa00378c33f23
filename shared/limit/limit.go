// Package limit counts how much of a limit a customer has used, by kind and business
// day. The count commits with the transaction that uses the limit (LIMIT-001,
// LIMIT-006).
//
// Amounts are fen. Concurrent uses never add up above the cap. Policy figures are
// dated: on each day, the latest figure whose date has come is in force. Refusal:
// LIMIT_EXCEEDED.
package limit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// ErrExceeded refuses a use that would go above the cap.
var ErrExceeded = bankerr.New(bankerr.Refused, "LIMIT_EXCEEDED")

// Exceeded refuses an amount at a time. If the amount alone is within the cap, the
// refusal tells the time until the next business day, on which it fits.
func Exceeded(at time.Time, amount, most money.Fen) error {
	if amount > most {
		return ErrExceeded
	}
	return ErrExceeded.WithRetryAfter(clock.UntilNextDay(at))
}

// Kind is a kind of limit: a set of operations whose amounts a day's sum counts. Its
// cap is the policy's figure of that name with ".day_cap".
type Kind string

// The kinds count transfers by their strongest factor, to other customers and between own
// accounts.
const (
	TransferSMS      Kind = "transfer.sms"       // the SMS code (LIMIT-001)
	TransferToken    Kind = "transfer.token"     // the dynamic token (LIMIT-003)
	TransferSoftUKey Kind = "transfer.soft_ukey" // the soft UKey that was opened at the counter (LIMIT-002)

	TransferPhoneShield Kind = "transfer.phone_shield" // the phone shield (AUTH-019)
)

const sqlUsage = `-- limit.usage
SELECT p.value, p.valid_from::text,
       coalesce((SELECT used FROM limit_use WHERE customer_id = $3 AND kind = $4 AND business_day = $2), 0)
  FROM policy p WHERE p.name = $1 AND p.valid_from <= $2 ORDER BY p.valid_from DESC LIMIT 1`

const sqlUseRows = `-- limit.use.rows
SELECT limit_use(customer, kind, day, amount, cap)
  FROM (SELECT * FROM unnest($1::uuid[], $2::text[], $3::date[], $4::bigint[], $5::bigint[])
                   AS used (customer, kind, day, amount, cap) ORDER BY 1, 2, 3) AS used`

// Usage is a customer's use of a kind of limit on a day.
type Usage struct {
	Cap     money.Fen // the policy's figure in force that day
	Version string    // the first day on which the cap is in force, e.g. 2026-01-01
	Used    money.Fen
}

// Allows reports whether the amount still fits. Only Use decides.
func (s Usage) Allows(amount money.Fen) bool { return amount <= s.Cap-s.Used }

const sqlPrune = `-- limit_use.prune
DELETE FROM limit_use WHERE (customer_id, kind, business_day) IN (
    SELECT customer_id, kind, business_day FROM limit_use
     WHERE business_day < ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date LIMIT $1)`

// Retention keeps the use of limits for 400 days.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "limit_use", Keep: 400 * 24 * time.Hour, SQL: sqlPrune,
		Why: "The longest limit counts a year.",
	}
}

// Get reads a customer's usage of a kind of limit on a day.
func Get(ctx context.Context, db pg.Reader, customer uuid.UUID, kind Kind, day time.Time) (Usage, error) {
	var s Usage
	row := db.QueryRow(ctx, sqlUsage, string(kind)+".day_cap", day, customer, string(kind))
	if err := row.Scan(&s.Cap, &s.Version, &s.Used); err != nil {
		return s, fmt.Errorf("limit %s: %w", kind, err)
	}
	return s, nil
}

// Use adds the use of amount at a time to the unit of work. The commit refuses it if
// the sum of the business day would exceed most.
func Use(u *pg.Unit, customer uuid.UUID, kind Kind, at time.Time, amount, most money.Fen) {
	u.Add(pg.Statement{
		Call: "limit_use", Rows: sqlUseRows, Args: []any{customer, string(kind), clock.BusinessDay(at), amount, most},
		Refuse: map[string]error{ErrExceeded.Code(): Exceeded(at, amount, most)},
	})
}
