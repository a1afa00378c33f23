// Package sessionbackground takes the signal that an app has gone to the background.
//
//	POST /function/identity-session-background   session
//
// From then on the session lives for SESSION_BACKGROUND, at most 15 minutes, unless the
// customer comes back: identity-session-resume or any other call that is no poll. After
// that time the customer must log in again (SESSION-004).
package sessionbackground

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/session"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "identity-session-background", Summary: "Tell that the app has gone to the background", Audience: fn.Customer,
	NoDatabase: true, Activity: session.Rests,
	Requirements: []string{"SESSION-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Response tells how long the session waits.
type Response struct {
	Seconds int `json:"seconds" doc:"After so many seconds in the background the customer must log in again"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return func(context.Context, *fn.Call, Request) (Response, error) {
		return Response{Seconds: int(lent.Channels.Background().Seconds())}, nil
	}, nil
}
