// Package logout ends the session of a member of the bank's staff.
//
//	POST /function/staff-logout   session of the staff
//
// The session ends on every instance at once. The channel stays open.
package logout

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "staff-logout", Summary: "Log a member of the staff out", Audience: fn.Staff, Audit: fn.AuditAuth,
	Session: fn.SessionEnds, DuringDuty: true,
	Requirements: []string{"SESSION-002"},
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
	return func(context.Context, *fn.Call, Request, *pg.Unit) (Response, error) {
		return Response{LoggedOut: true}, nil
	}, nil
}
