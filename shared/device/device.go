// Package device owns the table device: the public keys of customers' phones.
//
// A customer has one key for each device; binding a device again replaces its key.
// Keys are SM2, PKIX DER; the caller of Bind has parsed them. Source: AUTH-005.
package device

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlBind = `-- device.bind
INSERT INTO device (customer_id, device_id, public_key, bound_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer_id, device_id) DO UPDATE SET public_key = $3, bound_at = $4`

const sqlKnown = `-- device.known
SELECT EXISTS (
    SELECT 1 FROM customer c JOIN credential k ON k.customer_id = c.id
     WHERE c.phone_bidx = $1
       AND (k.last_login_device = $2
            OR EXISTS (SELECT 1 FROM device d WHERE d.customer_id = c.id AND d.device_id = $2)))`

// Known reports whether the customer with the number (a blind index) has bound the
// device, or has logged in on it last. It costs the same work for unknown numbers.
func Known(ctx context.Context, db pg.Reader, phone []byte, deviceID string) (bool, error) {
	var known bool
	if err := db.QueryRow(ctx, sqlKnown, phone, deviceID).Scan(&known); err != nil {
		return false, fmt.Errorf("known device: %w", err)
	}
	return known, nil
}

// Key is the key of a customer's device.
type Key struct {
	CustomerID uuid.UUID
	DeviceID   string
	Public     []byte // SM2, PKIX DER
	BoundAt    time.Time
}

// Bind stores the key. It replaces an earlier key of the same customer and device.
func Bind(ctx context.Context, to pg.Writer, k Key) error {
	return to.Write(ctx, pg.Statement{SQL: sqlBind, Args: []any{k.CustomerID, k.DeviceID, k.Public, k.BoundAt}})
}
