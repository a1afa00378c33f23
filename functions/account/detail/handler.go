// Package detail shows one account of the caller.
//
//	POST /function/account-detail   session
//
// Refusals: OBJECT_NOT_FOUND, also for another customer's account.
package detail

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/account"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "account-detail", Summary: "Show one account", Audience: fn.Customer, Audit: fn.AuditRead,
	Personal: []string{"number_masked"}, Refusals: []*bankerr.Error{bankerr.ErrNotFound},
	Keys:         []keys.Purpose{keys.Ledger, keys.Storage},
	Requirements: []string{"ACCT-001", "LOGIC-004", "LOGIC-005", "MASK-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the account.
type Request struct {
	AccountID uuid.UUID `json:"account_id" format:"uuid"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, account.View], error) {
	store := account.NewStore(lent.DB, lent.Keys)
	return func(ctx context.Context, call *fn.Call, req Request) (account.View, error) {
		return store.One(ctx, req.AccountID, call.CustomerID)
	}, nil
}
