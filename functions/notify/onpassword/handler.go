// Package onpassword tells a customer that a password was changed or reset, or that the device
// got another means to log in.
//
//	com.tidebank.identity.passwordchanged.v1 → inbox and SMS
//
// So a customer learns of a password that somebody else has set (PWD-008). Inbox and text are
// parts of their own: each has its effect once, and neither waits for the other. The texts
// are of the class security: notices about money can't use up its budget.
package onpassword

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/notify"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/inbox"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/sms"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.EventParts(fn.Spec{
	Name: "notify-on-password", Summary: "Tell a customer that a password was changed or reset",
	Keys:     []keys.Purpose{keys.Storage},
	Consumes: []string{events.TypePasswordChanged}, Emits: []string{events.TypeMessageRefused},
	Requirements: []string{"PWD-008"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct{ SMS sms.Config }

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.Split[events.PasswordChanged], error) {
	gateway := sms.New(config.SMS, lent.Clock).Timed(lent.Downstream(downstream.SMS))
	texts := notify.Texts{DB: lent.DB, Keys: lent.Keys, Gateway: gateway, Clock: lent.Clock}
	return func(_ context.Context, e fn.Delivery[events.PasswordChanged]) ([]fn.Part, error) {
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

func message(e fn.Delivery[events.PasswordChanged], customer uuid.UUID) inbox.Message {
	which, how := "登录密码", "修改"
	switch e.Data.Which {
	case password.TradeField:
		which = "交易密码"
	case password.GestureField:
		which, how = "手势密码", "设置"
	case string(device.ByFingerprint):
		which, how = "指纹登录", "开通"
	case string(device.ByFace):
		which, how = "面容登录", "开通"
	}
	if e.Data.Reset {
		how = "重置"
	}
	at := e.Data.ChangedAt.In(clock.Shanghai).Format("1月2日15:04")
	return inbox.Message{
		CustomerID: customer, EventID: e.ID, Kind: inbox.Password, Title: "密码变更提醒", CreatedAt: e.Data.ChangedAt,
		Body: fmt.Sprintf("您的手机银行%s已于%s%s。如非本人操作请立即联系客服。", which, at, how),
	}
}
