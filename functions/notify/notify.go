// Package notify sends text messages to customers, in Chinese and masked.
//
// A text goes to the customer's phone on record, through the SMS gateway. Only the two texts
// about a change of the number go to the new and to the earlier number. A text is sent
// before its effect commits, under an id made from the event's id. So an event that
// is delivered twice sends one text. A text that the gateway refuses for good is
// recorded by an event (message.refused) and not tried again. Budgets bound all texts,
// and a quota bounds the notices of each kind to one phone (shared/sms). A notice above
// its quota is counted and not sent: the customer has the message in the app. When a
// budget of the minute is used up, the text is tried again for a few seconds. After
// that, or when a budget of the day is used up, the text is recorded as refused. So no
// budget makes an event a dead letter.
package notify

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/inbox"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sms"
)

// patience is the age of a text up to which a used-up budget of the minute makes it come
// again. It is shorter than the time that the brokers take for their last attempt.
const patience = 10 * time.Second

// Texts sends text messages to customers.
type Texts struct {
	DB      pg.Reader
	Keys    *keys.Ring
	Gateway sms.Gateway
	Clock   clock.Clock
}

// Text is one text to one customer.
type Text struct {
	ID    string // the gateway takes each id once
	To    uuid.UUID
	Kind  string // of the message, for the record of a refusal
	Quota string // the texts that count together against the phone's quota
	Class sms.Class
	At    time.Time // when the text was ordered
	Body  string
}

// Sent is the effect of a text: it counts the text, or records its refusal.
type Sent = func(ctx context.Context, tx pg.Tx) error

// Inbox returns the work that puts a message into the customer's inbox.
func Inbox(m inbox.Message) func(context.Context) (Sent, error) {
	return func(context.Context) (Sent, error) {
		return func(ctx context.Context, tx pg.Tx) error { return inbox.Put(ctx, tx, m) }, nil
	}
}

// OfMessage is a message of the inbox as a text, which counts against no quota.
func OfMessage(m inbox.Message, class sms.Class) Text {
	return Text{
		ID: m.EventID + ":" + string(m.Kind), To: m.CustomerID, Kind: string(m.Kind), Class: class, At: m.CreatedAt,
		Body: "【潮汐银行】" + m.Body,
	}
}

// Notice returns the work that sends a message of the inbox to the customer's phone too,
// if the phone's quota has room for it.
func (t Texts) Notice(m inbox.Message, class sms.Class, quota string) func(context.Context) (Sent, error) {
	text := OfMessage(m, class)
	text.Quota = quota
	return func(ctx context.Context) (Sent, error) { return t.notify(ctx, text) }
}

// notify sends a text within its phone's quota, and counts it there.
func (t Texts) notify(ctx context.Context, text Text) (Sent, error) {
	phone, err := customer.PhoneIndexOf(ctx, t.DB, text.To)
	if errors.Is(err, bankerr.ErrNotFound) {
		return nil, nil //nolint:nilnil // no effect
	}
	if err != nil {
		return nil, err
	}
	now := t.Clock.Now()
	quota := sms.NewQuota(text.Class, text.Quota, phone)
	left, err := quota.Left(ctx, t.DB, now)
	if err != nil {
		return nil, err
	}
	if !left {
		return func(ctx context.Context, tx pg.Tx) error { return sms.CountOver(ctx, tx, now) }, nil
	}
	sent, err := t.Send(ctx, text)
	if err != nil || sent == nil {
		return nil, err
	}
	return func(ctx context.Context, tx pg.Tx) error {
		// The budget's rows are locked first, so that two transactions can't wait for each other.
		if err := sent(ctx, tx); err != nil {
			return err
		}
		return quota.Count(ctx, tx, now)
	}, nil
}

// Send sends a text to the customer's phone, as SendTo does. It does nothing if the customer
// no longer exists.
func (t Texts) Send(ctx context.Context, text Text) (Sent, error) {
	phone, err := customer.Phone(ctx, t.DB, t.Keys, text.To)
	if errors.Is(err, bankerr.ErrNotFound) {
		return nil, nil //nolint:nilnil // no effect
	}
	if err != nil {
		return nil, err
	}
	return t.SendTo(ctx, text, phone)
}

// SendTo sends a text to a number. An error means that a later try may succeed.
func (t Texts) SendTo(ctx context.Context, text Text, phone string) (Sent, error) {
	now := t.Clock.Now()
	err := sms.CheckBudget(ctx, t.DB, text.Class, now)
	if errors.Is(err, sms.ErrDay) {
		return refused(text, sms.ErrDay), nil
	}
	if errors.Is(err, sms.ErrMinute) && now.Sub(text.At) >= patience {
		return refused(text, sms.ErrMinute), nil
	}
	if err != nil {
		return nil, err
	}
	err = t.Gateway.Send(ctx, sms.Message{ID: text.ID, Phone: phone, Text: text.Body})
	if errors.Is(err, sms.ErrRefused) {
		return refused(text, err), nil
	}
	if err != nil {
		return nil, bankerr.ErrUnavailable.Because(err)
	}
	return func(ctx context.Context, tx pg.Tx) error { return sms.Count(ctx, tx, text.Class, now) }, nil
}

// refused records that the text will never be sent.
func refused(text Text, why error) Sent {
	return func(ctx context.Context, tx pg.Tx) error {
		return events.Emit(ctx, tx, text.ID, text.To, events.MessageRefused{
			MessageID: text.ID, CustomerID: text.To.String(), Kind: text.Kind, Reason: why.Error(),
		})
	}
}
