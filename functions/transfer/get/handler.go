// Package get shows one transfer of the caller: the receipt.
//
//	POST /function/transfer-get   session
//
// Refusals: OBJECT_NOT_FOUND, for another customer's transfer too.
package get

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
)

// Function is what the registry, mains and manifests are made from.
var Function = fn.HTTP(fn.Spec{
	Name: "transfer-get", Summary: "Show one transfer", Audience: fn.Customer, Audit: fn.AuditRead,
	Personal:     []string{"payee_name_masked", "payer_account_masked", "payee_account_masked"},
	Refusals:     []*bankerr.Error{bankerr.ErrNotFound},
	Requirements: []string{"ACCT-002", "LOGIC-004", "LOGIC-005", "MASK-006"},
}, wire)

// Config is empty: the host lends all that is needed.
type Config struct{}

// Request names the transfer.
type Request struct {
	TransferID uuid.UUID `json:"transfer_id" format:"uuid"`
}

func wire(_ context.Context, host *fn.Host, _ Config) (fn.Operation[Request, transfer.View], error) {
	store := transfer.NewStore(host.DB, host.Keys)
	return func(ctx context.Context, req Request) (transfer.View, error) {
		order, err := store.Get(ctx, req.TransferID, fn.CallerFrom(ctx).CustomerID)
		if err != nil {
			return transfer.View{}, err
		}
		return order.View(), nil
	}, nil
}
