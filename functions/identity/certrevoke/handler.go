// Package certrevoke takes the customer's certificates out of use, because a phone or a key is
// lost.
//
//	POST /function/identity-cert-revoke   session
//
// None of them confirms anything again, not an intent that is already prepared either. The bank
// marks them at once, and bank-upkeep asks the certificate authority to revoke them
// (shared/cert). Other proofs go on, with their own caps; the way back is another certificate.
// Refusal: OBJECT_NOT_FOUND, if the customer has no valid certificate.
package certrevoke

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
	Name: "identity-cert-revoke", Summary: "Take the customer's certificates out of use", Audience: fn.Customer,
	Audit: fn.AuditAuth, Refusals: []*bankerr.Error{bankerr.ErrNotFound}, Requirements: []string{"AUTH-002"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields: all certificates of the customer are revoked.
type Request struct{}

// Response confirms it.
type Response struct {
	Revoked bool `json:"revoked"`
}

type operation struct{ clock clock.Clock }

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{lent.Clock}.do, nil
}

func (op operation) do(_ context.Context, call *fn.Call, _ Request, unit *pg.Unit) (Response, error) {
	cert.RevokeAll(unit, call.CustomerID, op.clock.Now(), bankerr.ErrNotFound)
	return Response{Revoked: true}, nil
}
