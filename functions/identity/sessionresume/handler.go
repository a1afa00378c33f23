// Package sessionresume takes the signal that an app is in the foreground again.
//
//	POST /function/identity-session-resume   session
//
// The call is refused with SESSION_REQUIRED if the app was in the background for longer
// than SESSION_BACKGROUND, at most 15 minutes (SESSION-004). Otherwise the idle time of
// the session starts anew.
package sessionresume

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "identity-session-resume", Summary: "Tell that the app is in the foreground again", Audience: fn.Customer,
	NoDatabase:   true,
	Requirements: []string{"SESSION-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Response tells how long the session lasts without a call.
type Response struct {
	Seconds int `json:"seconds" doc:"After so many seconds without a call the customer must log in again"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return func(context.Context, *fn.Call, Request) (Response, error) {
		return Response{Seconds: int(lent.Channels.Idle().Seconds())}, nil
	}, nil
}
