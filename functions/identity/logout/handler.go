// Package logout ends the caller's session and what was half done in it.
//
//	POST /function/identity-logout   session
//
// The session is gone on every instance at once, and open intents are cancelled
// (SESSION-006). The channel stays open.
package logout

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function to the registry and to its main.
var Function = fn.Command(fn.Spec{
	Name: "identity-logout", Summary: "Log out", Audience: fn.Customer, Audit: fn.AuditAuth,
	Session:      fn.SessionEnds,
	Requirements: []string{"SESSION-006"},
}, wire)

// Config is empty: the host lends all that is needed.
type Config struct{}

// Request asks for nothing.
type Request struct{}

// Response tells that the session is over.
type Response struct {
	LoggedOut bool `json:"logged_out"`
}

func wire(context.Context, *fn.Lent, Config) (fn.CommandOperation[Request, Response], error) {
	return func(_ context.Context, call *fn.Call, _ Request, unit *pg.Unit) (Response, error) {
		stepup.CancelAll(unit, call.CustomerID)
		return Response{LoggedOut: true}, nil
	}, nil
}
