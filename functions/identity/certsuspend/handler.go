// Package certsuspend suspends the customer's certificates, for example while a phone or a key is
// missing.
//
//	POST /function/identity-cert-suspend   session
//
// None of them confirms anything until identity-cert-resume, not an intent that is already prepared
// either. Other proofs go on, with their own caps. The certificate authority is not told: only the bank
// takes these certificates. Refusal: OBJECT_NOT_FOUND, if the customer has no valid certificate that is
// not suspended.
package certsuspend

import (
	"context"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-cert-suspend", Summary: "Suspend the customer's certificates", Audience: fn.Customer,
	Audit: fn.AuditAuth, Refusals: []*bankerr.Error{bankerr.ErrNotFound}, Requirements: []string{"AUTH-002"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields: all certificates of the customer are suspended.
type Request struct{}

// Response confirms it.
type Response struct {
	Suspended bool `json:"suspended"`
}

type operation struct{ clock clock.Clock }

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{lent.Clock}.do, nil
}

func (op operation) do(_ context.Context, call *fn.Call, _ Request, unit *pg.Unit) (Response, error) {
	cert.SuspendAll(unit, call.CustomerID, op.clock.Now(), bankerr.ErrNotFound)
	return Response{Suspended: true}, nil
}
