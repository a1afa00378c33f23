// Package losslift lifts the loss report of one of the caller's accounts.
//
//	POST /function/account-loss-lift   session, step-up
//
// Two factors confirm it (AUTH-008); one of them may be a biometric. Money moves on the account again.
// Refusals: ACCOUNT_NOT_LOST, if the account is frozen or closed meanwhile, and those of the step-up.
package losslift

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
	Name: account.LossLift, Summary: "Lift the loss report of an account", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Refusals: []*bankerr.Error{ledger.ErrNotLost}, Requirements: []string{"ACCT-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent and holds the proofs.
type Request struct{ stepup.Confirmation }

// Response confirms the change.
type Response struct {
	Lifted bool `json:"lifted"`
}

func wire(context.Context, *fn.Lent, Config) (fn.ConfirmOperation[account.Change, Request, Response], error) {
	return do, nil
}

func do(_ context.Context, call *fn.Call, _ Request, confirmed fn.Confirmed[account.Change], unit *pg.Unit) (Response, error) {
	ledger.LiftLoss(unit, confirmed.Plan.AccountID, call.CustomerID)
	return Response{Lifted: true}, nil
}
