// Package list shows the caller's transfers, newest first, page by page.
//
//	POST /function/transfer-list   session
//
// A page holds 20 transfers unless the request asks for another number (at most 100).
// On the last page, next_cursor is empty. A customer without transfers gets an empty
// list.
package list

import (
	"context"

	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/page"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "transfer-list", Summary: "List the caller's transfers", Audience: fn.Customer, Audit: fn.AuditRead,
	Personal:     []string{"payee_name_masked", "payer_account_masked", "payee_account_masked"},
	Keys:         []keys.Purpose{keys.Storage},
	Requirements: []string{"ACCT-002", "LOGIC-005", "LOGIC-011", "MASK-006"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request asks for a page.
type Request struct {
	Cursor string `json:"cursor,omitempty" maxLength:"64" doc:"next_cursor of the page before"`
	Limit  int    `json:"limit,omitempty" minimum:"1" maximum:"100" doc:"20 if left out"`
}

// Validate checks the size and the cursor of the page.
func (r Request) Validate() error {
	if _, err := page.Parse(r.Cursor); err != nil {
		return fn.InvalidField("cursor", "not from an earlier page")
	}
	return nil
}

// Response is a page.
type Response struct {
	Transfers  []transfer.View `json:"transfers"`
	NextCursor string          `json:"next_cursor" doc:"Empty on the last page"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	store := transfer.NewStore(lent.DB, lent.Keys)
	return func(ctx context.Context, call *fn.Call, req Request) (Response, error) {
		before, _ := page.Parse(req.Cursor) // Validate has checked it
		size := page.Size(req.Limit)
		found, err := store.List(ctx, call.CustomerID, before, size+1) // one more transfer shows whether another page follows
		if err != nil {
			return Response{}, err
		}
		orders, next := page.Cut(found, size, transfer.Order.Place)
		reply := Response{Transfers: make([]transfer.View, len(orders)), NextCursor: next}
		for i, order := range orders {
			reply.Transfers[i] = order.View()
		}
		return reply, nil
	}, nil
}
