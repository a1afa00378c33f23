// Package passwordchange replaces the login password of a customer who is logged in.
//
//	POST /function/identity-password-change   session, step-up   emits identity.passwordchanged.v1
//
// The proofs are the present password, and a code or a signature over the text of the
// prepared change. A wrong present password counts together with the wrong passwords of
// log-ins. The session goes on, and is open to all functions if the customer had to change the
// password first. Quick log-ins end on the customer's other devices. Refusals:
// PASSWORD_WEAK, PASSWORD_UNSEALED and those of the step-up.
package passwordchange

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
	Name: identity.PasswordChange, Summary: "Change the login password", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Session: fn.SessionRelieves, DuringDuty: true, Timeout: identity.SetTimeout, Emits: []string{events.TypePasswordChanged},
	Refusals:     []*bankerr.Error{password.ErrWeak},
	Keys:         []keys.Purpose{keys.Password, keys.Storage, keys.Pepper, keys.Credential},
	Requirements: []string{"PWD-004", "PWD-005", "PWD-006", "PWD-008", "PWD-019"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent, and holds the proofs and the new password.
type Request struct {
	stepup.Confirmation
	LoginPassword []byte `json:"login_password" idem:"-" format:"sealed-password" minLength:"1" maxLength:"1024" doc:"The new one"`
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
	clear, err := password.OpenField(op.ring, call.Channel, password.LoginField, req.LoginPassword)
	if err != nil {
		return Response{}, err
	}
	return Response{Changed: true}, op.passwords.SetLogin(ctx, unit, identity.Setting{
		CustomerID: call.CustomerID, DeviceID: call.DeviceID, Clear: clear, At: op.clock.Now(),
	})
}
