// Package unbind takes the bank's trust from a device of the caller.
//
//	POST /function/device-unbind   session
//
// The bank forgets the device's key. The customer's open intents are cancelled, because
// they may have been prepared for that key. A later transfer on the device is refused
// until it is bound again by a login with a step-up. A customer may unbind the device
// that asks; its session goes on. Refusals: OBJECT_NOT_FOUND, for a device that the caller
// has not bound; DEVICE_LOCKED, for the device to which the log-in is locked.
package unbind

import (
	"context"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "device-unbind", Summary: "Unbind a device of the caller", Audience: fn.Customer, Audit: fn.AuditAuth,
	Refusals:     []*bankerr.Error{bankerr.ErrNotFound, device.ErrLocked},
	Requirements: []string{"DEVICE-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the device.
type Request struct {
	DeviceID string `json:"device_id" minLength:"1" maxLength:"64" example:"phone-of-wang"`
}

// Response confirms that the device is no longer bound.
type Response struct {
	Unbound bool `json:"unbound"`
}

func wire(context.Context, *fn.Lent, Config) (fn.CommandOperation[Request, Response], error) {
	return do, nil
}

func do(_ context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	device.Unbind(unit, call.CustomerID, req.DeviceID)
	stepup.CancelAll(unit, call.CustomerID)
	return Response{Unbound: true}, nil
}
