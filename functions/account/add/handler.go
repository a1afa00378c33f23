// Package add adds one of the caller's accounts to those that mobile banking shows and operates.
//
//	POST /function/account-add   session, step-up
//
// The preparation has found the account among those of the caller's identity. Two factors confirm it.
// Refusals: OBJECT_NOT_FOUND, if the account is there already or closed, and those of the step-up.
package add

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
	Name: account.Add, Summary: "Add an account to mobile banking", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Refusals: []*bankerr.Error{bankerr.ErrNotFound}, Requirements: []string{"ACCT-003"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent and holds the proofs.
type Request struct{ stepup.Confirmation }

// Response confirms the change.
type Response struct {
	Added bool `json:"added"`
}

func wire(context.Context, *fn.Lent, Config) (fn.ConfirmOperation[account.Change, Request, Response], error) {
	return do, nil
}

func do(_ context.Context, call *fn.Call, _ Request, confirmed fn.Confirmed[account.Change], unit *pg.Unit) (Response, error) {
	ledger.Operate(unit, confirmed.Plan.AccountID, call.CustomerID, true)
	return Response{Added: true}, nil
}
