// Package device owns the table device: the public keys of customers' phones.
//
// A customer has one key for each device; binding a device again replaces its key.
// Keys are SM2, PKIX DER; the caller of Bind has parsed them. Source: AUTH-005.
package device

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlBind = `-- device.bind
INSERT INTO device (customer_id, device_id, public_key, bound_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer_id, device_id) DO UPDATE SET public_key = $3, bound_at = $4`

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
