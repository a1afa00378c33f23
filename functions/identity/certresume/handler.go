// Package certresume resumes the certificates that the customer has suspended.
//
//	POST /function/identity-cert-resume   session, step-up
//
// It needs the trade password, and a code or the signature of the bound device's key, over the text of the
// prepared change. Revoked certificates stay revoked. Refusals: OBJECT_NOT_FOUND, if the customer has no
// suspended certificate; those of the step-up.
package certresume

import (
	"context"

	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: identity.CertResume, Summary: "Resume the customer's certificates", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Refusals: []*bankerr.Error{bankerr.ErrNotFound}, Requirements: []string{"AUTH-002"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent and holds the proofs.
type Request struct{ stepup.Confirmation }

// Response confirms it.
type Response struct {
	Resumed bool `json:"resumed"`
}

func wire(_ context.Context, _ *fn.Lent, _ Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	return do, nil
}

func do(_ context.Context, call *fn.Call, _ Request, _ fn.Confirmed[identity.Change], unit *pg.Unit) (Response, error) {
	cert.ResumeAll(unit, call.CustomerID, bankerr.ErrNotFound)
	return Response{Resumed: true}, nil
}
