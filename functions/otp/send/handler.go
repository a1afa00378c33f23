// Package send issues a one-time code; notify-on-otp sends it by SMS, or has a call tell it.
//
//	POST /function/otp-send   public; for an intent or a new number, session   emits otp.issued.v1
//
// The code goes only to the number that the bank has on record, or, for a prepared change of
// the number, to the new one. For signing up, logging
// in and resetting the login password, the answer and the work are the same for known and unknown numbers and aliases. No
// table holds the code: the sender computes it. A new code voids the earlier code of
// its purpose and origin (device id and proved key, shared/device). A device is known if
// it proves the key that the number's customer has bound on it. An unknown device must
// solve a graphic code. Codes for intents, known devices and unknown devices have
// quotas of their own (shared/otp), so that a stranger can't use up a customer's codes.
// A code of an intent that a call tells is another code than that of a text, and proves more
// (OTP-008). Without a code, the way uplink shows a text that the customer sends to the bank from
// the reserved number (shared/uplink). otp-status tells what has become of each.
// Refusals: OTP_TOO_OFTEN, SMS_EXHAUSTED (the bank's budget of texts or calls),
// CAPTCHA_REQUIRED, CAPTCHA_REJECTED; for an intent OBJECT_NOT_FOUND, INTENT_USED,
// INTENT_EXPIRED, SESSION_REQUIRED, UPLINK_CLOSED.
package send

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/uplink"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "otp-send", Summary: "Send a one-time code by SMS or call", Audience: fn.Public, Rate: fn.RateSend, Audit: fn.AuditAuth,
	Emits: []string{events.TypeOTPIssued},
	Refusals: []*bankerr.Error{
		otp.ErrTooOften, sms.ErrExhausted, captcha.ErrRequired, captcha.ErrRejected, bankerr.ErrNotFound, stepup.ErrUsed,
		stepup.ErrExpired, session.ErrRequired, uplink.ErrClosed,
	},
	Keys: []keys.Purpose{keys.BlindIndex, keys.Session, keys.Storage},
	Requirements: []string{
		"OTP-001", "OTP-002", "OTP-003", "OTP-004", "OTP-005", "OTP-006", "OTP-007", "OTP-008", "AUTH-009", "AUTH-027", "CAPTCHA-003",
	},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct{ Uplink uplink.Config }

// Request names the purpose of the code.
type Request struct {
	Purpose  string     `json:"purpose" enum:"register,login,reset,intent,phone" doc:"phone: to the new number of a prepared change"`
	Way      string     `json:"way,omitempty" enum:"sms,voice,uplink" doc:"voice: a call; uplink, for intent: the customer sends it"`
	Phone    string     `json:"phone,omitempty" maxLength:"32" doc:"Not for intent and phone; +86 may come first" example:"13900001111"`
	Alias    string     `json:"alias,omitempty" maxLength:"20" doc:"For login, in place of phone"`
	IntentID *uuid.UUID `json:"intent_id,omitempty" format:"uuid" doc:"For intent and phone"`

	CaptchaID     string `json:"captcha_id,omitempty" maxLength:"64" doc:"For register, login and reset, after CAPTCHA_REQUIRED"`
	CaptchaAnswer string `json:"captcha_answer,omitempty" maxLength:"16"`

	DevicePublicKey []byte `json:"device_public_key,omitempty" format:"sm2-public-key" doc:"As with the registration, login or reset"`
	DeviceSignature []byte `json:"device_signature,omitempty" maxLength:"128" doc:"By the device's key (docs/protocol.md, section 7)"`
}

// Validate checks that the request holds exactly the fields of its purpose.
func (r Request) Validate() error {
	if r.Way == otp.ByUplink && r.Purpose != otp.Intent {
		return fn.InvalidField("way", "not for this purpose")
	}
	switch r.Purpose {
	case otp.Register, otp.Login, otp.Forgotten:
		if r.IntentID != nil {
			return fn.InvalidField("intent_id", "not for this purpose")
		}
		if err := captcha.CheckForm(r.CaptchaID, r.CaptchaAnswer); err != nil {
			return err
		}
		if len(r.DevicePublicKey) == 0 && len(r.DeviceSignature) > 0 {
			return fn.InvalidField("device_public_key", "missing")
		}
		return r.checkName()
	case otp.Intent, otp.NewPhone:
		if r.IntentID == nil || r.Phone != "" || r.Alias != "" {
			return fn.InvalidField("intent_id", "name the intent, and no number")
		}
		if len(r.DevicePublicKey) > 0 || len(r.DeviceSignature) > 0 {
			return fn.InvalidField("device_public_key", "not for this purpose")
		}
		if r.CaptchaID != "" || r.CaptchaAnswer != "" {
			return fn.InvalidField("captcha_id", "not for this purpose")
		}
	default:
		return fn.InvalidField("purpose", "unknown")
	}
	return nil
}

// checkName refuses a name that no customer can have, and an alias for another purpose than
// the login.
func (r Request) checkName() error {
	if r.Alias != "" && r.Purpose != otp.Login {
		return fn.InvalidField("alias", "not for this purpose")
	}
	return customer.CheckLoginName(r.Phone, r.Alias)
}

// Response holds the lifetime of the code and the pause before the next code.
type Response struct {
	ExpiresInS int `json:"expires_in_s"`
	ResendInS  int `json:"resend_in_s"`

	UplinkNumber string `json:"uplink_number,omitempty" doc:"For uplink: the bank's number, to which the customer sends uplink_text"`
	UplinkText   string `json:"uplink_text,omitempty" doc:"For uplink: from the reserved number, within expires_in_s"`
}

type operation struct {
	db       pg.Reader
	captchas *captcha.Store
	ring     *keys.Ring
	clock    clock.Clock
	uplink   uplink.Config
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.CommandOperation[Request, Response], error) {
	if err := config.Uplink.CheckNumber(); err != nil {
		return nil, err
	}
	return operation{
		db: lent.DB, captchas: lent.Captchas, ring: lent.Keys, clock: lent.Clock, uplink: config.Uplink,
	}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	now := op.clock.Now()
	if req.Way == otp.ByUplink {
		return op.offer(ctx, call, req, unit)
	}
	terms, err := otp.ReadTerms(ctx, op.db, now)
	if err != nil {
		return Response{}, err
	}
	class := sms.Codes
	if req.Way == otp.ByVoice {
		class = sms.Calls
	}
	if err := sms.CheckBudget(ctx, op.db, class, now); err != nil { // tell the customer now: the code would not come
		return Response{}, err
	}
	challenge, unknown, err := op.challenge(ctx, call, req, now)
	if err != nil {
		return Response{}, err
	}
	event := events.OTPIssued{
		Challenge: challenge.Subject, Purpose: challenge.Purpose, Called: req.Way == otp.ByVoice, Unknown: unknown,
	}
	if req.IntentID != nil {
		event.IntentID = req.IntentID.String()
	}
	about := uuid.Nil
	if challenge.CustomerID != nil {
		about = *challenge.CustomerID
		event.CustomerID = about.String()
	}
	otp.Issue(unit, challenge, now)
	reply := Response{ExpiresInS: int(terms.Life.Seconds()), ResendInS: int(terms.Resend.Seconds())}
	return reply, events.Emit(ctx, unit, challenge.Subject, about, event)
}

// challenge makes the challenge. It also tells if a device that the bank does not know asks for it.
func (op operation) challenge(
	ctx context.Context, call *fn.Call, req Request, now time.Time,
) (made otp.Challenge, unknown bool, err error) {
	if req.IntentID == nil { // Validate has checked that the purpose fits
		return op.beforeLogin(ctx, call, req)
	}
	intent, index, err := op.intent(ctx, call, req, now)
	if err != nil {
		return otp.Challenge{}, false, err
	}
	challenge := otp.Challenge{
		Subject: stepup.Subject(intent.ID), Purpose: req.Purpose, Phone: index, CustomerID: &call.CustomerID,
		DeviceID: intent.DeviceID, Binding: intent.Digest, Quotas: []otp.Quota{otp.OwnQuota()},
	}
	if req.Purpose == otp.Intent && req.Way == otp.ByVoice { // another code than that of a text
		challenge.Subject, challenge.Purpose = stepup.VoiceSubject(intent.ID), otp.Voice
	}
	if req.Purpose == otp.NewPhone { // the customer's own quota counts it, whichever number the intent names
		challenge.Subject = stepup.NewPhoneSubject(intent.ID)
		_, err = stepup.NewPhone(intent)
	}
	return challenge, false, err
}

// intent loads the caller's intent, and finds the reserved number.
func (op operation) intent(ctx context.Context, call *fn.Call, req Request, now time.Time) (in stepup.Intent, phone []byte, err error) {
	if call.CustomerID == uuid.Nil {
		return in, nil, session.ErrRequired
	}
	if in, err = stepup.Load(ctx, op.db, op.ring, *req.IntentID, call.CustomerID, now); err != nil {
		return in, nil, err
	}
	phone, err = customer.PhoneIndexOf(ctx, op.db, call.CustomerID)
	return in, phone, err
}

// offer makes the text that the customer is to send for the intent.
func (op operation) offer(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	now := op.clock.Now()
	if op.uplink.Number == "" {
		return Response{}, uplink.ErrClosed
	}
	intent, phone, err := op.intent(ctx, call, req, now)
	if err != nil {
		return Response{}, err
	}
	life, err := uplink.ReadLife(ctx, op.db, now)
	if err != nil {
		return Response{}, err
	}
	text, err := uplink.OfferText(unit, uplink.Offer{
		CustomerID: call.CustomerID, IntentID: intent.ID, DeviceID: intent.DeviceID, Binding: intent.Digest, Phone: phone,
	}, now, life)
	return Response{ExpiresInS: int(life.Seconds()), UplinkNumber: op.uplink.Number, UplinkText: text}, err
}

// beforeLogin makes a challenge for signing up, logging in or resetting the login password. It also tells if the device
// is unknown. The calls of unknown devices may use a part of the calls' budget only.
func (op operation) beforeLogin(ctx context.Context, call *fn.Call, req Request) (made otp.Challenge, unknown bool, err error) {
	from, proved := device.Prove(call.Channel, call.DeviceID, req.DevicePublicKey, req.DeviceSignature)
	if !proved {
		return otp.Challenge{}, false, fn.InvalidField("device_signature", "not by device_public_key for this channel and device")
	}
	solved, err := op.captchas.Solved(ctx, req.CaptchaID, req.CaptchaAnswer)
	if err != nil {
		return otp.Challenge{}, false, err
	}
	index := customer.LoginIndex(op.ring, req.Phone, req.Alias)
	known, err := device.Known(ctx, op.db, index, from)
	if err != nil {
		return otp.Challenge{}, false, err
	}
	if !known && !solved {
		return otp.Challenge{}, false, captcha.ErrRequired
	}
	if !known && req.Way == otp.ByVoice {
		if err := sms.CheckBudget(ctx, op.db, sms.UnknownCalls, op.clock.Now()); err != nil {
			return otp.Challenge{}, false, err
		}
	}
	recipient, number, err := op.recipient(ctx, index, req.Purpose)
	quotas := []otp.Quota{otp.KnownQuota(from.Digest())}
	if !known {
		quotas = otp.UnknownQuotas(call.IP)
		if req.Way == otp.ByVoice {
			quotas = append(quotas, otp.UnknownCallQuota(number))
		}
	}
	return otp.Challenge{
		Subject: otp.PhoneSubject(req.Purpose, index, from.Digest()), Purpose: req.Purpose, Phone: index,
		CustomerID: recipient, DeviceID: call.DeviceID, Binding: customer.PhoneBinding(req.Purpose, index, from.Digest()),
		Quotas: quotas,
	}, !known, err
}

// recipient finds the customer who has the number, if the purpose fits. A code to
// sign up is for a customer who has not signed up. A code to log in or to reset the login
// password is for a customer who has signed up. The id is nil if no customer may get the code. It also returns the
// index of the holder's number, or the named index if nobody has it.
func (op operation) recipient(ctx context.Context, index []byte, purpose string) (id *uuid.UUID, number []byte, err error) {
	holder, err := customer.ByPhone(ctx, op.db, index)
	switch {
	case errors.Is(err, bankerr.ErrNotFound):
		return nil, index, nil
	case err != nil:
		return nil, nil, err
	case holder.SignedUp == (purpose == otp.Register): // it is no error that the purpose does not fit
		return nil, holder.Phone, nil
	}
	return &holder.ID, holder.Phone, nil
}
