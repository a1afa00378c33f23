// Package read marks messages of the caller as read.
//
//	POST /function/message-read   session
//
// Marking a message again changes nothing. Refusals: OBJECT_NOT_FOUND, also for
// another customer's message.
package read

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/inbox"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "message-read", Summary: "Mark messages as read", Audience: fn.Customer,
	Refusals: []*bankerr.Error{bankerr.ErrNotFound}, Requirements: []string{"LOGIC-005", "LOGIC-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names one message, or all messages.
type Request struct {
	MessageID *uuid.UUID `json:"message_id,omitempty" format:"uuid"`
	All       bool       `json:"all,omitempty" example:"true"`
}

// Validate checks that the request names one message or all messages, not both.
func (r Request) Validate() error {
	if (r.MessageID == nil) != r.All {
		return fn.InvalidField("message_id", "name one message, or all")
	}
	return nil
}

// Response confirms the change.
type Response struct {
	Read bool `json:"read"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return func(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
		if req.MessageID == nil {
			return Response{Read: true}, inbox.MarkAllRead(ctx, unit, call.CustomerID, lent.Clock.Now())
		}
		err := inbox.MarkRead(ctx, lent.DB, unit, inbox.Mark{
			CustomerID: call.CustomerID, MessageID: *req.MessageID, At: lent.Clock.Now(),
		})
		return Response{Read: err == nil}, err
	}, nil
}
