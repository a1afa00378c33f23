// Package list shows the devices that the caller has bound, newest first.
//
//	POST /function/device-list   session
//
// A bound device is one whose key the customer bound at a login with a step-up
// (functions/identity/login). The reply holds the 100 newest.
package list

import (
	"context"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "device-list", Summary: "List the caller's bound devices", Audience: fn.Customer,
	Requirements: []string{"DEVICE-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Response lists the devices.
type Response struct {
	Devices []Device `json:"devices"`
}

// Device is one bound device.
type Device struct {
	DeviceID string    `json:"device_id" clear:"device_id"`
	BoundAt  time.Time `json:"bound_at" doc:"When its present key was bound"`
	Current  bool      `json:"current" doc:"The device that asks"`
	Locked   bool      `json:"locked" doc:"The customer logs in on this device only (device-lock)"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return func(ctx context.Context, call *fn.Call, _ Request) (Response, error) {
		found, err := device.ListBound(ctx, lent.DB, call.CustomerID)
		if err != nil {
			return Response{}, err
		}
		reply := Response{Devices: make([]Device, len(found))}
		for i, k := range found {
			reply.Devices[i] = Device{
				DeviceID: k.DeviceID, BoundAt: k.BoundAt.In(clock.Shanghai), Current: k.DeviceID == call.DeviceID, Locked: k.Locked,
			}
		}
		return reply, nil
	}, nil
}
