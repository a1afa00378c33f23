// Package overview shows the caller's assets and liabilities at a glance.
//
//	POST /function/account-overview   session
//
// The totals are the sums of their parts; deposits, wealth products and loans are
// zero until the bank sells them. Amounts are fen.
package overview

import (
	"context"

	"github.com/tidebank/tidebank/functions/account"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/money"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "account-overview", Summary: "Show assets and liabilities", Audience: fn.Customer, Audit: fn.AuditRead,
	Personal:     []string{"number_masked"},
	Keys:         []keys.Purpose{keys.Ledger, keys.Storage},
	Requirements: []string{"ACCT-001", "ACCT-007", "MASK-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Assets are the amounts that the bank owes the customer.
type Assets struct {
	Accounts money.Fen `json:"accounts_fen"`
	Deposits money.Fen `json:"deposits_fen"`
	Wealth   money.Fen `json:"wealth_fen"`
	Total    money.Fen `json:"total_fen"`
}

// Liabilities are the amounts that the customer owes the bank.
type Liabilities struct {
	Loans money.Fen `json:"loans_fen"`
	Total money.Fen `json:"total_fen"`
}

// Response is the overview.
type Response struct {
	Assets      Assets         `json:"assets"`
	Liabilities Liabilities    `json:"liabilities"`
	Accounts    []account.View `json:"accounts"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	store := account.NewStore(lent.DB, lent.Keys)
	return func(ctx context.Context, call *fn.Call, _ Request) (Response, error) {
		accounts, err := store.All(ctx, call.CustomerID)
		if err != nil {
			return Response{}, err
		}
		reply := Response{Accounts: accounts}
		for _, a := range accounts {
			reply.Assets.Accounts += a.Balance
		}
		reply.Assets.Total = reply.Assets.Accounts + reply.Assets.Deposits + reply.Assets.Wealth
		reply.Liabilities.Total = reply.Liabilities.Loans
		return reply, nil
	}, nil
}
