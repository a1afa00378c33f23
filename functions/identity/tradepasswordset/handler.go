// Package tradepasswordset replaces the trade password of a customer who is logged in.
//
//	POST /function/identity-trade-password-set   session, step-up   emits identity.passwordchanged.v1
//
// A change needs the present trade password. A reset of a forgotten one needs the login
// password, and is only for customers whose accounts are all of the classes II and III. Both
// also need a code or a signature over the text of the prepared change. A lock of the trade
// password stays. Refusals: PASSWORD_WEAK, PASSWORD_UNSEALED, RESET_BRANCH_ONLY and those of
// the step-up.
package tradepasswordset

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
	Name: identity.TradePasswordSet, Summary: "Change or reset the trade password", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Timeout: identity.SetTimeout, Emits: []string{events.TypePasswordChanged},
	Refusals:     []*bankerr.Error{password.ErrWeak, identity.ErrBranchOnly},
	Keys:         []keys.Purpose{keys.Password, keys.Storage, keys.Pepper, keys.Credential},
	Requirements: []string{"PWD-001", "PWD-002", "PWD-021"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent, and holds the proofs and the new password.
type Request struct {
	stepup.Confirmation
	TradePassword []byte `json:"trade_password" idem:"-" format:"sealed-password" minLength:"1" maxLength:"1024" doc:"The new one"`
}

// Response confirms the change.
type Response struct {
	Changed bool `json:"changed"`
}

type operation struct {
	db        pg.Reader
	passwords identity.Passwords
	ring      *keys.Ring
	clock     clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	set := identity.Passwords{DB: lent.DB, Ring: lent.Keys, Store: lent.Passwords}
	return operation{db: lent.DB, passwords: set, ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(
	ctx context.Context, call *fn.Call, req Request, confirmed fn.Confirmed[identity.Change], unit *pg.Unit,
) (Response, error) {
	clear, err := password.OpenField(op.ring, call.Channel, password.TradeField, req.TradePassword)
	if err != nil {
		return Response{}, err
	}
	change := confirmed.Plan
	if err := change.Allowed(ctx, op.db, call.CustomerID); err != nil { // again: an account may have been opened since
		return Response{}, err
	}
	return Response{Changed: true}, op.passwords.SetTrade(ctx, unit, identity.Setting{
		CustomerID: call.CustomerID, DeviceID: call.DeviceID, Clear: clear, Reset: change.Resets(),
		At: op.clock.Now(),
	})
}
