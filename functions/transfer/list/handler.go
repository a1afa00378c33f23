// Package list shows the caller's transfers, newest first, page by page.
//
//	POST /function/transfer-list   session
//
// A page holds 20 transfers unless asked otherwise (at most 100); next_cursor is
// empty on the last. No transfers are an empty list.
package list

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/shared/fn"
)

// Function is what the registry, mains and manifests are made from.
var Function = fn.HTTP(fn.Spec{
	Name: "transfer-list", Summary: "List the caller's transfers", Audience: fn.Customer, Audit: fn.AuditRead,
	Personal:     []string{"payee_name_masked", "payer_account_masked", "payee_account_masked"},
	Requirements: []string{"ACCT-002", "LOGIC-005", "LOGIC-011", "MASK-006"},
}, wire)

// Config is empty: the host lends all that is needed.
type Config struct{}

const (
	defaultPage = 20
	maxPage     = 100
)

// Request asks for a page.
type Request struct {
	Cursor string `json:"cursor,omitempty" doc:"next_cursor of the page before"`
	Limit  int    `json:"limit,omitempty" minimum:"1" maximum:"100" doc:"20 if left out"`
}

// Validate refuses pages of no or unbounded size.
func (r Request) Validate() error {
	if r.Limit < 0 || r.Limit > maxPage {
		return fn.InvalidField("limit", "between 1 and 100")
	}
	_, err := place(r.Cursor)
	return err
}

// Response is a page.
type Response struct {
	Transfers  []transfer.View `json:"transfers"`
	NextCursor string          `json:"next_cursor" doc:"Empty on the last page"`
}

func wire(_ context.Context, host *fn.Host, _ Config) (fn.Operation[Request, Response], error) {
	store := transfer.NewStore(host.DB, host.Keys)
	return func(ctx context.Context, req Request) (Response, error) {
		before, err := place(req.Cursor)
		if err != nil {
			return Response{}, err
		}
		size := req.Limit
		if size == 0 {
			size = defaultPage
		}
		found, err := store.List(ctx, fn.CallerFrom(ctx).CustomerID, before, size+1) // one more tells whether it ends
		if err != nil {
			return Response{}, err
		}
		reply := Response{Transfers: []transfer.View{}}
		for i, order := range found {
			if i == size {
				reply.NextCursor = cursor(found[size-1])
				break
			}
			reply.Transfers = append(reply.Transfers, order.View())
		}
		return reply, nil
	}, nil
}

// A cursor is the time in microseconds and the id of the page's last transfer;
// it selects among the caller's own transfers only, so it needs no seal.
func cursor(last transfer.Order) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(last.PostedAt.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(raw, last.ID[:]...))
}

func place(text string) (transfer.Place, error) {
	if text == "" {
		return transfer.Place{At: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), ID: uuid.Max}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != 24 {
		return transfer.Place{}, fn.InvalidField("cursor", "not from an earlier page")
	}
	micros := binary.BigEndian.Uint64(raw)
	if micros > math.MaxInt64/1000 {
		return transfer.Place{}, fn.InvalidField("cursor", "not from an earlier page")
	}
	return transfer.Place{At: time.UnixMicro(int64(micros)), ID: uuid.UUID(raw[8:])}, nil
}
