// Package notify writes to customers: what they are told, in Chinese and masked,
// and where it goes.
//
// Texts go to the phone on record through the SMS gateway, before the effect is
// recorded and under an id made from the event's, so that redelivery sends once.
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

// Send sends a text to the customer's phone under an id that the gateway takes once.
// It sends nothing if the customer is gone.
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
