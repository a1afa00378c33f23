// Package logout ends the caller's session and cancels the caller's open intents.
//
//	POST /function/identity-logout   session
//
// The session ends on every instance at once (SESSION-006). The channel stays open.
package logout

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-logout", Summary: "Log out", Audience: fn.Customer, Audit: fn.AuditAuth,
	Session: fn.SessionEnds, DuringDuty: true,
	Requirements: []string{"SESSION-006"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Response confirms that the session has ended.
type Response struct {
	LoggedOut bool `json:"logged_out"`
}

func wire(context.Context, *fn.Lent, Config) (fn.CommandOperation[Request, Response], error) {
	return func(_ context.Context, call *fn.Call, _ Request, unit *pg.Unit) (Response, error) {
		stepup.CancelAll(unit, call.CustomerID)
		return Response{LoggedOut: true}, nil
	}, nil
}
