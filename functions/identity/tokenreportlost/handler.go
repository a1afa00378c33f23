// Package tokenreportlost takes the customer's dynamic token out of use, because it is lost
// or damaged.
//
//	POST /function/identity-token-report-lost   session
//
// The token never answers again, not for an intent that is already prepared either. The bank
// deletes its seed. Other proofs go on, with their lower caps; the way back is another token
// that the bank hands out. Refusal: OBJECT_NOT_FOUND, if the customer has no token.
package tokenreportlost

import (
	"context"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/token"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-token-report-lost", Summary: "Take a lost dynamic token out of use", Audience: fn.Customer,
	Audit: fn.AuditAuth, Refusals: []*bankerr.Error{bankerr.ErrNotFound}, Requirements: []string{"AUTH-016"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields: a customer has one token.
type Request struct{}

// Response confirms the report.
type Response struct {
	Lost bool `json:"lost"`
}

func wire(context.Context, *fn.Lent, Config) (fn.CommandOperation[Request, Response], error) {
	return do, nil
}

func do(_ context.Context, call *fn.Call, _ Request, unit *pg.Unit) (Response, error) {
	token.ReportLost(unit, call.CustomerID, bankerr.ErrNotFound)
	return Response{Lost: true}, nil
}
