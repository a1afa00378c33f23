// Package list shows the caller's inbox, newest first, page by page.
//
//	POST /function/message-list   session
//
// An app asks for new messages by itself, so the call is a poll: it does not keep the session
// alive. A page holds 20 messages unless the request asks for another number (at most 100).
package list

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/inbox"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/shared/session"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "message-list", Summary: "List the caller's messages", Audience: fn.Customer,
	Activity: session.Polls,
	Personal: []string{"body"}, Requirements: []string{"MASK-006", "LOGIC-005", "SESSION-001"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request asks for a page.
type Request struct {
	UnreadOnly bool   `json:"unread_only,omitempty"`
	Cursor     string `json:"cursor,omitempty" maxLength:"64" doc:"next_cursor of the page before"`
	Limit      int    `json:"limit,omitempty" minimum:"1" maximum:"100" doc:"20 if left out"`
}

// Validate checks form and ranges.
func (r Request) Validate() error {
	if _, err := page.Parse(r.Cursor); err != nil {
		return fn.InvalidField("cursor", "not from an earlier page")
	}
	return nil
}

// Response is a page.
type Response struct {
	Messages   []Message `json:"messages"`
	Unread     int       `json:"unread" doc:"In the whole inbox"`
	NextCursor string    `json:"next_cursor" doc:"Empty on the last page"`
}

// Message is a message as its reader sees it.
type Message struct {
	MessageID uuid.UUID  `json:"message_id" format:"uuid"`
	Kind      inbox.Kind `json:"kind" enum:"transfer.out,transfer.in,device.bound,password.changed,phone.changed" doc:"More may come"`
	Title     string     `json:"title"`
	Body      string     `json:"body"`
	CreatedAt time.Time  `json:"created_at"`
	ReadAt    *time.Time `json:"read_at"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return func(ctx context.Context, call *fn.Call, req Request) (Response, error) {
		before, _ := page.Parse(req.Cursor) // Validate has checked it
		size := page.Size(req.Limit)
		found, unread, err := inbox.Page(ctx, lent.DB, inbox.Query{
			CustomerID: call.CustomerID, Before: before, UnreadOnly: req.UnreadOnly, Limit: size + 1,
		})
		if err != nil {
			return Response{}, err
		}
		messages, next := page.Cut(found, size, inbox.Message.Place)
		reply := Response{Messages: make([]Message, len(messages)), Unread: unread, NextCursor: next}
		for i, m := range messages {
			reply.Messages[i] = Message{
				MessageID: m.ID, Kind: m.Kind, Title: m.Title, Body: m.Body, CreatedAt: m.CreatedAt.In(clock.Shanghai),
				ReadAt: clock.Local(m.ReadAt),
			}
		}
		return reply, nil
	}, nil
}
