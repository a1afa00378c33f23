// Package onphone tells a customer that the phone number was changed.
//
//	com.tidebank.identity.phonechanged.v1 → inbox, and SMS to the earlier number
//
// So a customer whose number somebody else has changed learns of it on the phone that the
// customer still has (OTP-007). Inbox and text are parts of their own: each has its effect
// once, and neither waits for the other. The text is of the class security.
package onphone

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/notify"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/inbox"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sms"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.EventParts(fn.Spec{
	Name: "notify-on-phone", Summary: "Tell a customer, at the earlier number, that the number was changed",
	Keys:     []keys.Purpose{keys.Storage},
	Consumes: []string{events.TypePhoneChanged}, Emits: []string{events.TypeMessageRefused},
	Requirements: []string{"OTP-007"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct{ SMS sms.Config }

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.Split[events.PhoneChanged], error) {
	gateway := sms.New(config.SMS, lent.Clock).Timed(lent.Downstream(downstream.SMS))
	texts := notify.Texts{DB: lent.DB, Keys: lent.Keys, Gateway: gateway, Clock: lent.Clock}
	return func(_ context.Context, e fn.Delivery[events.PhoneChanged]) ([]fn.Part, error) {
		id, err := uuid.Parse(e.Data.CustomerID)
		if err != nil {
			return nil, bankerr.ErrInput.Because(fmt.Errorf("customer: %w", err))
		}
		change, err := uuid.Parse(e.Data.ChangeID)
		if err != nil {
			return nil, bankerr.ErrInput.Because(fmt.Errorf("change: %w", err))
		}
		m := message(e, id)
		toFormer := func(ctx context.Context) (notify.Sent, error) {
			former, err := customer.FormerPhone(ctx, lent.DB, lent.Keys, id, change)
			if errors.Is(err, bankerr.ErrNotFound) {
				return nil, nil //nolint:nilnil // no effect
			}
			if err != nil {
				return nil, err
			}
			return texts.SendTo(ctx, notify.OfMessage(m, sms.Security), former)
		}
		return []fn.Part{
			{Name: "inbox." + string(m.Kind), React: notify.Inbox(m)},
			{Name: "sms." + string(m.Kind), React: toFormer},
		}, nil
	}, nil
}

func message(e fn.Delivery[events.PhoneChanged], id uuid.UUID) inbox.Message {
	at := e.Data.ChangedAt.In(clock.Shanghai).Format("1月2日15:04")
	return inbox.Message{
		CustomerID: id, EventID: e.ID, Kind: inbox.Phone, Title: "手机号码变更提醒", CreatedAt: e.Data.ChangedAt,
		Body: fmt.Sprintf("您的手机银行手机号码已于%s修改，验证码今后发送至新号码。如非本人操作请立即联系客服。", at),
	}
}
