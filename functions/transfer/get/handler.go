// Package get shows one transfer of the caller: the receipt.
//
//	POST /function/transfer-get   session
//
// Refusals: OBJECT_NOT_FOUND, also for another customer's transfer.
package get

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "transfer-get", Summary: "Show one transfer", Audience: fn.Customer, Audit: fn.AuditRead,
	Personal:     []string{"payee_name_masked", "payer_account_masked", "payee_account_masked"},
	Refusals:     []*bankerr.Error{bankerr.ErrNotFound},
	Keys:         []keys.Purpose{keys.Storage},
	Requirements: []string{"ACCT-002", "LOGIC-004", "LOGIC-005", "MASK-006"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the transfer.
type Request struct {
	TransferID uuid.UUID `json:"transfer_id" format:"uuid"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, transfer.View], error) {
	store := transfer.NewStore(lent.DB, lent.Keys)
	return func(ctx context.Context, call *fn.Call, req Request) (transfer.View, error) {
		order, err := store.Get(ctx, req.TransferID, call.CustomerID)
		if err != nil {
			return transfer.View{}, err
		}
		return order.View(), nil
	}, nil
}
