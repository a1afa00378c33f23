// Package lock locks the caller's log-in to the device that asks.
//
//	POST /function/device-lock   session
//
// From then on a login on any other device is refused, although its factors are right
// (DEVICE-010), and so is one on this device that does not prove its bound key. identity-device-unlock
// releases the lock, and so does a login with trade password and card number that asks for
// it, for a customer who has lost the device. A lock replaces an earlier one. Refusals:
// DEVICE_UNBOUND, if the device has no bound key.
package lock

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
	Name: "device-lock", Summary: "Lock the caller's log-in to this device", Audience: fn.Customer, Audit: fn.AuditAuth,
	Refusals:     []*bankerr.Error{stepup.ErrUnbound},
	Requirements: []string{"DEVICE-010"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields: the device is the one that asks.
type Request struct{}

// Response confirms the lock.
type Response struct {
	Locked bool `json:"locked"`
}

func wire(context.Context, *fn.Lent, Config) (fn.CommandOperation[Request, Response], error) {
	return do, nil
}

func do(_ context.Context, call *fn.Call, _ Request, unit *pg.Unit) (Response, error) {
	device.LockLogin(unit, call.CustomerID, call.DeviceID, stepup.ErrUnbound)
	return Response{Locked: true}, nil
}
