// Package notify sends text messages to customers, in Chinese and masked.
//
// A text goes to the customer's phone on record, through the SMS gateway. It is sent
// before the effect commits, under an id made from the event's id. So an event that
// is delivered twice sends one text.
package notify

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sms"
)

// Texts sends text messages to customers.
type Texts struct {
	DB      pg.Reader
	Keys    *keys.Ring
	Gateway sms.Gateway
}

// Send sends a text to the customer's phone. The gateway takes each id once. Send
// does nothing if the customer no longer exists.
func (t Texts) Send(ctx context.Context, id string, to uuid.UUID, text string) error {
	phone, err := customer.Phone(ctx, t.DB, t.Keys, to)
	if errors.Is(err, bankerr.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.Gateway.Send(ctx, sms.Message{ID: id, Phone: phone, Text: text}); err != nil {
		return bankerr.ErrUnavailable.Because(err)
	}
	return nil
}
