// Package list shows the caller's inbox, newest first, page by page.
//
//	POST /function/message-list   session
//
// A page holds 20 messages unless asked otherwise (at most 100).
package list

import (
	"context"

	"github.com/tidebank/tidebank/functions/message"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/page"
)

// Function is what the registry, mains and manifests are made from.
var Function = fn.Query(fn.Spec{
	Name: "message-list", Summary: "List the caller's messages", Audience: fn.Customer,
	Personal: []string{"body"}, Requirements: []string{"MASK-006", "LOGIC-005"},
}, wire)

// Config is empty: the host lends all that is needed.
type Config struct{}

// Request asks for a page.
type Request struct {
	UnreadOnly bool   `json:"unread_only,omitempty"`
	Cursor     string `json:"cursor,omitempty" doc:"next_cursor of the page before"`
	Limit      int    `json:"limit,omitempty" minimum:"1" maximum:"100" doc:"20 if left out"`
}

// Validate checks form and ranges.
func (r Request) Validate() error {
	if !page.Valid(r.Limit) {
		return fn.InvalidField("limit", "between 1 and 100")
	}
	if _, err := page.Parse(r.Cursor); err != nil {
		return fn.InvalidField("cursor", "not from an earlier page")
	}
	return nil
}

// Response is a page.
type Response struct {
	Messages   []message.View `json:"messages"`
	Unread     int            `json:"unread" doc:"In the whole inbox"`
	NextCursor string         `json:"next_cursor" doc:"Empty on the last page"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	store := message.NewStore(lent.DB)
	return func(ctx context.Context, call *fn.Call, req Request) (Response, error) {
		before, _ := page.Parse(req.Cursor) // Validate has checked it
		size := page.Size(req.Limit)
		found, unread, err := store.Page(ctx, call.CustomerID, before, req.UnreadOnly, size+1)
		if err != nil {
			return Response{}, err
		}
		reply := Response{Unread: unread}
		reply.Messages, reply.NextCursor = page.Cut(found, size, message.View.Place)
		return reply, nil
	}, nil
}
