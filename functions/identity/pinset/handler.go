// Package pinset sets the PIN by which the caller logs in on the device that asks, in place of an
// earlier one.
//
//	POST /function/identity-pin-set   session, step-up   emits identity.passwordchanged.v1
//
// The proofs are those of a gesture: the login password, a code, and a signature by the device's bound
// key over the text of the prepared change. A PIN has six digits, by the rules of a trade password, and
// is not the trade password (AUTH-005). It is sealed and stored like a password, for its customer and
// device, and ends with the device's key. Refusals: PASSWORD_WEAK, PASSWORD_UNSEALED, DEVICE_UNBOUND
// and those of the step-up.
package pinset

import (
	"context"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: identity.PINSet, Summary: "Set the PIN that logs in on this device", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Timeout: identity.SetTimeout, Emits: []string{events.TypePasswordChanged},
	Refusals:     []*bankerr.Error{password.ErrWeak},
	Keys:         []keys.Purpose{keys.Password, keys.Storage, keys.Pepper, keys.Credential},
	Requirements: []string{"AUTH-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent, and holds the proofs and the PIN.
type Request struct {
	stepup.Confirmation
	PIN []byte `json:"pin" idem:"-" format:"sealed-password" minLength:"1" maxLength:"1024" doc:"Six digits"`
}

// Response confirms the PIN.
type Response struct {
	PINSet bool `json:"pin_set"`
}

type operation struct {
	passwords identity.Passwords
	ring      *keys.Ring
	clock     clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	return operation{
		passwords: identity.Passwords{DB: lent.DB, Ring: lent.Keys, Store: lent.Passwords}, ring: lent.Keys, clock: lent.Clock,
	}.do, nil
}

func (op operation) do(
	ctx context.Context, call *fn.Call, req Request, _ fn.Confirmed[identity.Change], unit *pg.Unit,
) (Response, error) {
	clear, err := password.OpenField(op.ring, call.Channel, password.DevicePINField, req.PIN)
	if err != nil {
		return Response{}, err
	}
	return Response{PINSet: true}, op.passwords.SetDevicePIN(ctx, unit, identity.Setting{
		CustomerID: call.CustomerID, DeviceID: call.DeviceID, Clear: clear, At: op.clock.Now(),
	})
}
