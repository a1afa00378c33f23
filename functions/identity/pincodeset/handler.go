// Package pincodeset replaces the PIN code (PIN码) of a corporate customer who is logged in.
//
//	POST /function/identity-pin-code-set   session, step-up   emits identity.passwordchanged.v1
//
// The change needs the present PIN code, and a code or a signature over the text of the prepared
// change. The first PIN code is one that the counter has given: it confirms only this change. A lock of
// the PIN code stays; a forgotten one is replaced at the counter. Refusals: PASSWORD_WEAK,
// PASSWORD_UNSEALED and those of the step-up.
package pincodeset

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
	Name: identity.PINCodeSet, Summary: "Change the PIN code", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Timeout: identity.SetTimeout, Emits: []string{events.TypePasswordChanged},
	Refusals:     []*bankerr.Error{password.ErrWeak},
	Keys:         []keys.Purpose{keys.Password, keys.Storage, keys.Pepper, keys.Credential},
	Requirements: []string{"AUTH-001"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent, and holds the proofs and the new PIN code.
type Request struct {
	stepup.Confirmation
	PINCode []byte `json:"pin_code" idem:"-" format:"sealed-password" minLength:"1" maxLength:"1024" doc:"The new one"`
}

// Response confirms the change.
type Response struct {
	Changed bool `json:"changed"`
}

type operation struct {
	passwords identity.Passwords
	ring      *keys.Ring
	clock     clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	set := identity.Passwords{DB: lent.DB, Ring: lent.Keys, Store: lent.Passwords}
	return operation{passwords: set, ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(
	ctx context.Context, call *fn.Call, req Request, _ fn.Confirmed[identity.Change], unit *pg.Unit,
) (Response, error) {
	clear, err := password.OpenField(op.ring, call.Channel, password.PINField, req.PINCode)
	if err != nil {
		return Response{}, err
	}
	return Response{Changed: true}, op.passwords.SetPIN(ctx, unit, identity.Setting{
		CustomerID: call.CustomerID, DeviceID: call.DeviceID, Clear: clear, At: op.clock.Now(),
	})
}
