package device

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlGestureRehash = `-- device.rehash_gesture
UPDATE device SET gesture = $4 WHERE customer_id = $1 AND device_id = $2 AND gesture = $3`

	sqlQuickEnd = `-- device.end_quick
UPDATE device SET gesture = NULL, gesture_failures = 0, fingerprint_key = NULL, face_key = NULL
 WHERE customer_id = $1 AND device_id <> $2`
)

// Gesture is the gesture of a customer's device, as shared/password makes the text to store.
type Gesture struct {
	CustomerID uuid.UUID
	DeviceID   string
	Stored     string
}

// StoreGesture adds to the unit the statement that stores the gesture, in place of an earlier
// one. The commit returns unbound if the customer has bound no key on the device.
func StoreGesture(unit *pg.Unit, g Gesture, unbound error) {
	unit.Add(pg.Statement{
		Call: "device_put_gesture", Args: []any{g.CustomerID, g.DeviceID, g.Stored}, Refuse: map[string]error{"DEVICE_UNBOUND": unbound},
	})
}

// RehashGesture stores the same gesture in a fresh text, unless it was changed since it was
// read.
func RehashGesture(ctx context.Context, to pg.Writer, read Gesture, fresh string) error {
	return to.Write(ctx, pg.Statement{SQL: sqlGestureRehash, Args: []any{read.CustomerID, read.DeviceID, read.Stored, fresh}})
}

// EndQuick ends all ways to log in quickly on the customer's devices, but not on the device that it
// names: whoever has set them there may not know the new login password. An empty name spares none.
func EndQuick(ctx context.Context, to pg.Writer, customer uuid.UUID, spared string) error {
	return to.Write(ctx, pg.Statement{SQL: sqlQuickEnd, Args: []any{customer, spared}})
}
