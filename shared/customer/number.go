package customer

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// ErrPhoneTaken refuses a number that another customer has.
var ErrPhoneTaken = bankerr.New(bankerr.Conflict, "PHONE_TAKEN")

const (
	sqlFormerPhone = `-- phone_change.former
SELECT c.data_key, p.former_ct FROM phone_change p JOIN customer c ON c.id = p.customer_id WHERE p.id = $1 AND c.id = $2`

	sqlPhoneChangePrune = `-- phone_change.prune
DELETE FROM phone_change WHERE id IN (SELECT id FROM phone_change WHERE changed_at < $2::timestamptz LIMIT $1)`

	sqlPhoneChangeErase = `-- phone_change.erase
DELETE FROM phone_change WHERE customer_id = $1`
)

// NewNumber is a change of a customer's number.
type NewNumber struct {
	Change uuid.UUID // the id of the change, under which the bank keeps the earlier number
	Phone  string
	At     time.Time
}

// SetPhone adds to the unit the statement that gives the customer a new number, after the
// record was read, and keeps the earlier one. The commit fails with PHONE_TAKEN if another
// customer has the number, and with stale if another change has replaced the number that
// was read.
func (s *Sealed) SetPhone(ctx context.Context, to pg.Writer, ring *keys.Ring, fresh NewNumber, stale error) error {
	canonical, ok := CanonicalPhone(fresh.Phone)
	if !ok {
		return bankerr.InvalidField("phone", "not a mobile number")
	}
	f, err := openFields(ring, s.id, s.dataKey)
	if err != nil {
		return err
	}
	former, err := f.open(columnPhone, s.phone)
	if err != nil {
		return err
	}
	kept, err := f.key.Seal(formerAAD(fresh.Change), []byte(former))
	if err != nil {
		return fmt.Errorf("seal former phone: %w", err)
	}
	sealed, err := f.seal(columnPhone, canonical)
	if err != nil {
		return err
	}
	return to.Write(ctx, pg.Statement{
		Call:   "customer_put_number",
		Args:   []any{s.id, fresh.Change, s.phone, kept, sealed, PhoneIndex(ring, canonical), fresh.At},
		Refuse: map[string]error{"customer_phone_unique": ErrPhoneTaken, "PHONE_STALE": stale},
	})
}

func formerAAD(change uuid.UUID) []byte {
	return keys.AAD("phone_change", "former_ct", change.String())
}

// FormerPhone returns in clear the number that the customer had before a change, or
// ErrNotFound if there is no such change, or no longer.
func FormerPhone(ctx context.Context, db pg.Reader, ring *keys.Ring, id, change uuid.UUID) (string, error) {
	var dataKey, sealed []byte
	if err := db.QueryRow(ctx, sqlFormerPhone, change, id).Scan(&dataKey, &sealed); err != nil {
		return "", readError("former phone", err)
	}
	f, err := openFields(ring, id, dataKey)
	if err != nil {
		return "", err
	}
	clear, err := f.key.Open(formerAAD(change), sealed)
	if err != nil {
		return "", fmt.Errorf("former phone: %w", err)
	}
	return string(clear), nil
}

// Retention keeps the earlier number of a change for 30 days.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "phone_change", Keep: 30 * 24 * time.Hour, SQL: sqlPhoneChangePrune,
		Why: "The earlier number was told of the change.",
	}
}
