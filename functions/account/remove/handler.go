// Package remove removes one of the caller's accounts from those that mobile banking shows and operates.
//
//	POST /function/account-remove   session, step-up
//
// One factor confirms it. From then on, the account counts as absent: no transfer leaves it, not one that
// is already prepared either. Its money stays, and transfers by its number arrive. account-add brings it
// back. Refusals: OBJECT_NOT_FOUND, if the account is removed already, and those of the step-up.
package remove

import (
	"context"

	"github.com/tidebank/tidebank/functions/account"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: account.Remove, Summary: "Remove an account from mobile banking", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Refusals: []*bankerr.Error{bankerr.ErrNotFound}, Requirements: []string{"ACCT-003"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent and holds the proofs.
type Request struct{ stepup.Confirmation }

// Response confirms the change.
type Response struct {
	Removed bool `json:"removed"`
}

func wire(context.Context, *fn.Lent, Config) (fn.ConfirmOperation[account.Change, Request, Response], error) {
	return do, nil
}

func do(_ context.Context, call *fn.Call, _ Request, confirmed fn.Confirmed[account.Change], unit *pg.Unit) (Response, error) {
	ledger.Operate(unit, confirmed.Plan.AccountID, call.CustomerID, false)
	return Response{Removed: true}, nil
}
