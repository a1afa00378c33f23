// Package deviceunlock releases the lock of the caller's log-in to one device.
//
//	POST /function/identity-device-unlock   session, step-up
//
// The proofs are the trade password, and a code or a signature over the text of the prepared
// change (DEVICE-010). Without a lock it changes nothing. Refusals: those of the step-up.
package deviceunlock

import (
	"context"

	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: identity.DeviceUnlock, Summary: "Release the lock of the log-in", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Requirements: []string{"DEVICE-010"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent and holds the proofs.
type Request struct{ stepup.Confirmation }

// Response confirms that any device may log in.
type Response struct {
	Unlocked bool `json:"unlocked"`
}

func wire(context.Context, *fn.Lent, Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	return do, nil
}

func do(ctx context.Context, call *fn.Call, _ Request, _ fn.Confirmed[identity.Change], unit *pg.Unit) (Response, error) {
	return Response{Unlocked: true}, device.UnlockLogin(ctx, unit, call.CustomerID)
}
