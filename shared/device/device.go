// Package device owns the table device: the public keys by which customers' phones
// sign.
//
// A customer has one key for each device; binding again replaces it. Keys are SM2,
// PKIX DER, and have been parsed by whoever binds them. Source: AUTH-005.
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

// Bind makes the key the only one of its device for the customer.
func Bind(ctx context.Context, to pg.Writer, k Key) error {
	return to.Write(ctx, pg.Statement{SQL: sqlBind, Args: []any{k.CustomerID, k.DeviceID, k.Public, k.BoundAt}})
}
