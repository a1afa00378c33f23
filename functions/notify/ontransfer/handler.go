// Package ontransfer notifies payer and payee that money has moved.
//
//	com.tidebank.transfer.posted.v1 → inbox and SMS of both
//
// A payee who is not a customer gets nothing. A customer who transfers between own
// accounts gets one message. Each party's inbox message and each party's text are parts
// of their own: if one fails, the others have their effect. If a text fails for now,
// the event comes again, and only this text is tried again. Each text has an id made
// from event and role, which the gateway takes once. The function emits
// message.refused.v1 for a text that the gateway refuses for good.
//
// Texts about payments to others count by the size of the amount. So whoever uses a
// customer's login can't silence the text about a large payment by many cheap transfers.
package ontransfer

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
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sms"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.EventParts(fn.Spec{
	Name: "notify-on-transfer", Summary: "Notify payer and payee of a transfer",
	Keys:     []keys.Purpose{keys.Storage},
	Consumes: []string{events.TypeTransferPosted}, Emits: []string{events.TypeMessageRefused},
	Requirements: []string{"MASK-005", "MASK-006", "QA-010"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct{ SMS sms.Config }

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.Split[events.TransferPosted], error) {
	gateway := sms.New(config.SMS, lent.Clock).Timed(lent.Downstream(downstream.SMS))
	texts := notify.Texts{DB: lent.DB, Keys: lent.Keys, Gateway: gateway, Clock: lent.Clock}
	return func(_ context.Context, e fn.Delivery[events.TransferPosted]) ([]fn.Part, error) {
		messages, err := compose(e)
		if err != nil {
			return nil, bankerr.ErrInput.Because(err)
		}
		var parts []fn.Part
		for _, m := range messages {
			parts = append(parts, fn.Part{Name: "inbox." + string(m.Kind), React: notify.Inbox(m)},
				fn.Part{Name: "sms." + string(m.Kind), React: texts.Notice(m, sms.Notices, quota(m.Kind, e.Data))})
		}
		return parts, nil
	}, nil
}

// sizes are where the sizes of payments begin. A text about a payment of 1,000.00 can lack
// room only because the phone has had its maximum of texts about 1,000.00 or more.
var sizes = [...]money.Fen{100_00, 1_000_00, 10_000_00}

// quota names the texts that count together: about transfers between own accounts, about
// incoming ones, and about payments of one size to others.
func quota(kind inbox.Kind, d events.TransferPosted) string {
	switch {
	case kind != inbox.TransferOut:
		return string(kind)
	case d.Own:
		return string(kind) + ".own"
	}
	size := 0
	for _, from := range sizes {
		if d.AmountFen >= from {
			size++
		}
	}
	return fmt.Sprintf("%s.%d", kind, size)
}

func compose(e fn.Delivery[events.TransferPosted]) ([]inbox.Message, error) {
	d := e.Data
	payer, err := uuid.Parse(d.PayerCustomerID)
	if err != nil {
		return nil, fmt.Errorf("payer: %w", err)
	}
	at := d.PostedAt.In(clock.Shanghai).Format("1月2日15:04")
	messages := []inbox.Message{{
		CustomerID: payer, EventID: e.ID, Kind: inbox.TransferOut, Title: "转账支出提醒", CreatedAt: d.PostedAt,
		Body: fmt.Sprintf("您账户%s于%s向%s（%s）转账支出%s元。如非本人操作请立即联系客服。",
			d.PayerAccountMasked, at, d.PayeeMasked, d.PayeeAccountMasked, d.AmountFen.Yuan()),
	}}
	if d.Own || d.PayeeCustomerID == "" {
		return messages, nil
	}
	payee, err := uuid.Parse(d.PayeeCustomerID)
	if err != nil {
		return nil, fmt.Errorf("payee: %w", err)
	}
	return append(messages, inbox.Message{
		CustomerID: payee, EventID: e.ID, Kind: inbox.TransferIn, Title: "转账收入提醒", CreatedAt: d.PostedAt,
		Body: fmt.Sprintf("您账户%s于%s收到%s转入%s元。", d.PayeeAccountMasked, at, d.PayerMasked, d.AmountFen.Yuan()),
	}), nil
}
