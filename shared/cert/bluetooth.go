package cert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlKeyHandOut = `-- bluetooth_key.insert
INSERT INTO bluetooth_key (serial, customer_id, handed_out_at) VALUES ($1, $2, $3)`

	sqlKeyHandedOut = `-- bluetooth_key.handed_out
SELECT EXISTS (SELECT FROM bluetooth_key k WHERE k.serial = $1 AND k.customer_id = $2
                  AND NOT EXISTS (SELECT FROM certificate c WHERE c.key_serial = k.serial AND c.id <> $3))`
)

// MaxKeySerial is the longest serial number of a Bluetooth Key.
const MaxKeySerial = 32

// Refusals of a Bluetooth Key.
var (
	ErrHandedOut = errors.New("the bank has handed out this key already")
	errHandedOut = errors.New("the bank has not handed this key out to the customer, or it has a certificate already")
)

// HandOutKey stores that the counter has handed out the Bluetooth Key with the serial to the customer.
// It returns ErrHandedOut for a key that was handed out before.
func HandOutKey(ctx context.Context, to pg.Writer, customer uuid.UUID, serial string, now time.Time) error {
	return to.Write(ctx, pg.Statement{
		SQL: sqlKeyHandOut, Args: []any{serial, customer, now}, Refuse: map[string]error{"bluetooth_key_pkey": ErrHandedOut},
	})
}

// HandedOut returns ErrRejected unless the bank has handed out the application's Bluetooth Key to its
// customer, and the key has no certificate of another application. The commit checks it again.
func (a Application) HandedOut(ctx context.Context, db pg.Reader) error {
	if a.bound == nil || a.bound.keySerial == nil {
		return nil
	}
	var good bool
	if err := db.QueryRow(ctx, sqlKeyHandedOut, *a.bound.keySerial, a.Customer, a.ID).Scan(&good); err != nil {
		return fmt.Errorf("key by Bluetooth: %w", err)
	}
	if !good {
		return ErrRejected.Because(errHandedOut)
	}
	return nil
}
