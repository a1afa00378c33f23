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
)

// Function is what the registry, mains and manifests are made from.
var Function = fn.HTTP(fn.Spec{
	Name: "message-list", Summary: "List the caller's messages", Audience: fn.Customer,
	Personal: []string{"body"}, Requirements: []string{"MASK-006", "LOGIC-005"},
}, wire)

// Config is empty: the host lends all that is needed.
type Config struct{}

const (
	defaultPage = 20
	maxPage     = 100
)

// Request asks for a page.
type Request struct {
	UnreadOnly bool   `json:"unread_only,omitempty"`
	Cursor     string `json:"cursor,omitempty" doc:"next_cursor of the page before"`
	Limit      int    `json:"limit,omitempty" minimum:"1" maximum:"100" doc:"20 if left out"`
}

// Validate checks form and ranges.
func (r Request) Validate() error {
	if r.Limit < 0 || r.Limit > maxPage {
		return fn.InvalidField("limit", "between 1 and 100")
	}
	if _, ok := message.ParsePlace(r.Cursor); !ok {
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

func wire(_ context.Context, host *fn.Host, _ Config) (fn.Operation[Request, Response], error) {
	store := message.NewStore(host.DB)
	return func(ctx context.Context, req Request) (Response, error) {
		before, _ := message.ParsePlace(req.Cursor) // Validate has checked it
		size := req.Limit
		if size == 0 {
			size = defaultPage
		}
		found, unread, err := store.Page(ctx, fn.CallerFrom(ctx).CustomerID, before, req.UnreadOnly, size+1)
		if err != nil {
			return Response{}, err
		}
		reply := Response{Messages: found, Unread: unread}
		if len(found) > size {
			reply.Messages = found[:size]
			last := found[size-1]
			reply.NextCursor = message.Place{At: last.CreatedAt, ID: last.MessageID}.String()
		}
		return reply, nil
	}, nil
}
