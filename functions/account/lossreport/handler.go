// Package lossreport reports one of the caller's accounts as lost.
//
//	POST /function/account-loss-report   session
//
// A session is enough, and the report holds at once: no money leaves the account from then on, not by
// a transfer that is already prepared either. Nor does money arrive. The balance and the statement are
// still shown. A second report changes nothing. account-loss-lift ends it. Refusals: OBJECT_NOT_FOUND,
// also for another customer's account; ACCOUNT_CLOSED, also for a frozen account.
package lossreport

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "account-loss-report", Summary: "Report an account as lost", Audience: fn.Customer, Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Refusals: []*bankerr.Error{bankerr.ErrNotFound, ledger.ErrAccountClosed}, Requirements: []string{"ACCT-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the account.
type Request struct {
	AccountID uuid.UUID `json:"account_id" format:"uuid"`
}

// Response confirms the report.
type Response struct {
	Lost bool `json:"lost"`
}

func wire(context.Context, *fn.Lent, Config) (fn.CommandOperation[Request, Response], error) {
	return do, nil
}

func do(_ context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	ledger.ReportAccountLost(unit, req.AccountID, call.CustomerID)
	return Response{Lost: true}, nil
}
