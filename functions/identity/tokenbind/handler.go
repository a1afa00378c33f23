// Package tokenbind puts the dynamic token into use that the bank has handed out to the
// customer.
//
//	POST /function/identity-token-bind   session, step-up
//
// The proofs are the token's response to the challenge of the prepared change, a code by
// SMS, and a signature or the trade password. From then on, the token confirms transfers up
// to its caps. Refusals: OBJECT_NOT_FOUND, if the token has been reported lost meanwhile,
// and those of the step-up.
package tokenbind

import (
	"context"

	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: identity.TokenBind, Summary: "Put a dynamic token into use", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Requirements: []string{"AUTH-016", "LIMIT-003"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent and holds the proofs.
type Request struct{ stepup.Confirmation }

// Response confirms the binding.
type Response struct {
	Bound bool `json:"bound"`
}

func wire(context.Context, *fn.Lent, Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	return do, nil
}

func do(_ context.Context, call *fn.Call, _ Request, _ fn.Confirmed[identity.Change], unit *pg.Unit) (Response, error) {
	token.Bind(unit, call.CustomerID, bankerr.ErrNotFound)
	return Response{Bound: true}, nil
}
