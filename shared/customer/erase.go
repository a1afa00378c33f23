package customer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	// The last entry of all accounts is the end of the relation.
	sqlEndedAt = `-- customer.ended_at
SELECT NOT EXISTS (SELECT FROM account a WHERE a.customer_id = c.id AND a.state <> $2),
       greatest(c.created_at, (SELECT max(e.posted_at) FROM entry e JOIN account a ON a.id = e.account_id
                                WHERE a.customer_id = c.id)),
       policy_value('customer.keep_days', $3)
  FROM customer c WHERE c.id = $1 FOR UPDATE OF c`

	sqlErase = `-- customer.erase
UPDATE customer SET data_key = '', name_ct = '', phone_ct = '', idno_ct = '', alias_ct = '', alias_bidx = NULL,
       phone_bidx = $2, idno_bidx = $3
 WHERE id = $1`
)

// Refusals of Erase.
var (
	ErrStillOpen = errors.New("the customer has an account that is not closed")
	ErrMustKeep  = errors.New("the law still obliges the bank to keep the customer's record")
)

// Erase destroys the customer's data key, so that nobody opens the name, the phone and the
// identity number, not in a backup either whose storage key was destroyed. The indexes of
// both numbers become random, so that a person may become a customer again. The alias for
// log-ins becomes free. Earlier numbers are deleted. The row and the money records stay. It
// refuses while an account is not closed, and until the policy figure
// customer.keep_days has passed since the last entry (反洗钱法 第三十四条: ten years).
func Erase(ctx context.Context, tx pg.Tx, id uuid.UUID, now time.Time) error {
	var closed bool
	var ended time.Time
	var days int64
	err := tx.QueryRow(ctx, sqlEndedAt, id, ledger.StateClosed, clock.BusinessDay(now)).Scan(&closed, &ended, &days)
	switch {
	case err != nil:
		return readError("end of the relation", err)
	case !closed:
		return ErrStillOpen
	case now.Before(ended.AddDate(0, 0, int(days))):
		return fmt.Errorf("%w until %s", ErrMustKeep, ended.AddDate(0, 0, int(days)).In(clock.Shanghai).Format(time.DateOnly))
	}
	var phone, idNo [32]byte
	_, _ = rand.Read(phone[:]) // never fails (crypto/rand)
	_, _ = rand.Read(idNo[:])
	if _, err := tx.Exec(ctx, sqlErase, id, phone[:], idNo[:]); err != nil {
		return fmt.Errorf("erase customer: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlPhoneChangeErase, id); err != nil {
		return fmt.Errorf("erase earlier numbers: %w", err)
	}
	return nil
}
