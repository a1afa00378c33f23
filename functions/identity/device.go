package identity

import (
	"context"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// BindDevice adds to the unit the binding of a device's key, after the step-up that it
// needs. It cancels the customer's open intents, because they were prepared for the
// trust in the earlier key, and reports the binding, so that the customer is told.
func BindDevice(ctx context.Context, unit *pg.Unit, key device.Key, replaces bool) error {
	if err := device.Bind(ctx, unit, key); err != nil {
		return err
	}
	stepup.CancelAll(unit, key.CustomerID)
	id := key.CustomerID.String()
	return events.Emit(ctx, unit, id, key.CustomerID, events.IdentityDeviceBound{
		CustomerID: id, DeviceID: key.DeviceID, Replaced: replaces, BoundAt: key.BoundAt,
	})
}
