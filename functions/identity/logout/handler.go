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
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function is what the registry, mains and manifests are made from.
var Function = fn.HTTP(fn.Spec{
	Name: "identity-logout", Summary: "Log out", Audience: fn.Customer, Audit: fn.AuditAuth,
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

func wire(_ context.Context, host *fn.Host, _ Config) (fn.Operation[Request, Response], error) {
	return func(ctx context.Context, _ Request) (Response, error) {
		caller := fn.CallerFrom(ctx)
		if err := host.Sessions.End(ctx, caller.Channel); err != nil {
			return Response{}, err
		}
		return Response{LoggedOut: true}, stepup.CancelAll(ctx, host.DB, caller.CustomerID)
	}, nil
}
