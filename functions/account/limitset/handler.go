// Package limitset sets the caller's own limit for transfers by one verification method.
//
//	POST /function/account-limit-set   session, step-up
//
// The lower of the caller's and the bank's limit holds, from the next transfer on, also for one that is
// already prepared. A limit that raises a figure takes two factors (AUTH-008), any other takes one. Amounts
// are whole fen. Refusals: INTENT_EXPIRED, if a change that was prepared to lower the limit would raise it
// now, or if the limit that it raises has changed since; those of the step-up.
package limitset

import (
	"context"

	"github.com/tidebank/tidebank/functions/account"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: account.LimitSet, Summary: "Set an own limit of transfers", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Requirements: []string{"ACCT-006"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent and holds the proofs.
type Request struct{ stepup.Confirmation }

// Response is the limit as stored.
type Response struct {
	Method      account.Method `json:"method" enum:"sms,token,soft_ukey,phone_shield"`
	PerTransfer money.Fen      `json:"per_transfer_fen"`
	PerDay      money.Fen      `json:"per_day_fen"`
}

type operation struct{ clock clock.Clock }

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.ConfirmOperation[account.Change, Request, Response], error) {
	return operation{lent.Clock}.do, nil
}

func (op operation) do(
	_ context.Context, call *fn.Call, _ Request, confirmed fn.Confirmed[account.Change], unit *pg.Unit,
) (Response, error) {
	plan := confirmed.Plan
	limit.SetOwn(unit, limit.OwnChange{
		CustomerID: call.CustomerID, Kind: plan.Method.Kind(), Own: plan.Own, Raises: plan.Raises(), Before: plan.Before,
		At: op.clock.Now(),
	}, stepup.ErrExpired)
	return Response{Method: plan.Method, PerTransfer: plan.Own.PerTransfer, PerDay: plan.Own.PerDay}, nil
}
