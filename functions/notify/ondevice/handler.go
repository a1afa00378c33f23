// Package ondevice tells a customer that a device's key was bound.
//
//	com.tidebank.identity.devicebound.v1 → inbox and SMS
//
// The text goes to the customer's phone, and the message shows on all of the customer's
// devices. So a customer learns of a key that somebody else has bound. Inbox and text are
// parts of their own: each has its effect once, and neither waits for the other. The texts
// are of the class security: notices about money can't use up its budget.
package ondevice

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/notify"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/inbox"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sms"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.EventParts(fn.Spec{
	Name: "notify-on-device", Summary: "Tell a customer that a device's key was bound",
	Keys:     []keys.Purpose{keys.Storage},
	Consumes: []string{events.TypeIdentityDeviceBound}, Emits: []string{events.TypeMessageRefused},
	Requirements: []string{"DEVICE-001"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct{ SMS sms.Config }

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.Split[events.IdentityDeviceBound], error) {
	gateway := sms.New(config.SMS, lent.Clock).Timed(lent.Downstream(downstream.SMS))
	texts := notify.Texts{DB: lent.DB, Keys: lent.Keys, Gateway: gateway, Clock: lent.Clock}
	return func(_ context.Context, e fn.Delivery[events.IdentityDeviceBound]) ([]fn.Part, error) {
		customer, err := uuid.Parse(e.Data.CustomerID)
		if err != nil {
			return nil, bankerr.ErrInput.Because(fmt.Errorf("customer: %w", err))
		}
		m := message(e, customer)
		return []fn.Part{
			{Name: "inbox." + string(m.Kind), React: notify.Inbox(m)},
			{Name: "sms." + string(m.Kind), React: texts.Notice(m, sms.Security, string(m.Kind))},
		}, nil
	}, nil
}

func message(e fn.Delivery[events.IdentityDeviceBound], customer uuid.UUID) inbox.Message {
	what := "绑定了安全密钥"
	if e.Data.Replaced {
		what = "更换了安全密钥"
	}
	at := e.Data.BoundAt.In(clock.Shanghai).Format("1月2日15:04")
	return inbox.Message{
		CustomerID: customer, EventID: e.ID, Kind: inbox.DeviceBound, Title: "设备绑定提醒", CreatedAt: e.Data.BoundAt,
		Body: fmt.Sprintf("您的手机银行于%s在一台设备上%s，24小时内用该设备密钥转账的限额较低。如非本人操作请立即联系客服。", at, what),
	}
}
