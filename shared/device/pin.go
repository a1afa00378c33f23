package device

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlPINRehash = `-- device.rehash_pin
UPDATE device SET pin = $4 WHERE customer_id = $1 AND device_id = $2 AND pin = $3`

	sqlPINReturn = `-- device.return_pin
UPDATE device SET pin_failures = greatest(pin_failures - 1, 0) WHERE customer_id = $1 AND device_id = $2`
)

// StorePIN adds to the unit the statement that stores the PIN, in place of an earlier one. The
// commit returns unbound if the customer has bound no key on the device.
func StorePIN(unit *pg.Unit, p Gesture, unbound error) {
	unit.Add(pg.Statement{
		Call: "device_put_pin", Args: []any{p.CustomerID, p.DeviceID, p.Stored}, Refuse: map[string]error{"DEVICE_UNBOUND": unbound},
	})
}

// RehashPIN is RehashGesture for the PIN.
func RehashPIN(ctx context.Context, to pg.Writer, read Gesture, fresh string) error {
	return to.Write(ctx, pg.Statement{SQL: sqlPINRehash, Args: []any{read.CustomerID, read.DeviceID, read.Stored, fresh}})
}

// ReturnPIN adds to the batch the statement that takes a counted guess back: the PIN was right, and the
// bank could not check what came with it.
func ReturnPIN(batch *pgx.Batch, customer uuid.UUID, deviceID string) {
	batch.Queue(sqlPINReturn, customer, deviceID)
}
