// Package send issues a one-time code; notify-on-otp sends it by SMS.
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
// Refusals: OTP_TOO_OFTEN, SMS_EXHAUSTED (the bank's budget of texts),
// CAPTCHA_REQUIRED, CAPTCHA_REJECTED; for an intent OBJECT_NOT_FOUND, INTENT_USED,
// INTENT_EXPIRED, SESSION_REQUIRED.
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
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "otp-send", Summary: "Send a one-time code by SMS", Audience: fn.Public, Rate: fn.RateSend, Audit: fn.AuditAuth,
	Emits: []string{events.TypeOTPIssued},
	Refusals: []*bankerr.Error{
		otp.ErrTooOften, sms.ErrExhausted, captcha.ErrRequired, captcha.ErrRejected, bankerr.ErrNotFound, stepup.ErrUsed,
		stepup.ErrExpired, session.ErrRequired,
	},
	Keys: []keys.Purpose{keys.BlindIndex, keys.Session, keys.Storage},
	Requirements: []string{
		"OTP-001", "OTP-002", "OTP-003", "OTP-004", "OTP-005", "OTP-006", "OTP-007", "AUTH-009", "AUTH-027", "CAPTCHA-003",
	},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the purpose of the code.
type Request struct {
	Purpose  string     `json:"purpose" enum:"register,login,reset,intent,phone" doc:"phone: to the new number of a prepared change"`
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
}

type operation struct {
	db       pg.Reader
	captchas *captcha.Store
	ring     *keys.Ring
	clock    clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{db: lent.DB, captchas: lent.Captchas, ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	now := op.clock.Now()
	terms, err := otp.ReadTerms(ctx, op.db, now)
	if err != nil {
		return Response{}, err
	}
	if err := sms.CheckBudget(ctx, op.db, sms.Codes, now); err != nil { // tell the customer now: the code would not come
		return Response{}, err
	}
	challenge, intent, err := op.challenge(ctx, call, req, now)
	if err != nil {
		return Response{}, err
	}
	event := events.OTPIssued{Challenge: challenge.Subject, Purpose: challenge.Purpose, IntentID: intent}
	about := uuid.Nil
	if challenge.CustomerID != nil {
		about = *challenge.CustomerID
		event.CustomerID = about.String()
	}
	otp.Issue(unit, challenge, now)
	reply := Response{ExpiresInS: int(terms.Life.Seconds()), ResendInS: int(terms.Resend.Seconds())}
	return reply, events.Emit(ctx, unit, challenge.Subject, about, event)
}

// challenge makes the challenge. It also returns the intent's id, if there is one.
func (op operation) challenge(
	ctx context.Context, call *fn.Call, req Request, now time.Time,
) (otp.Challenge, string, error) {
	if req.IntentID == nil { // Validate has checked that the purpose fits
		challenge, err := op.beforeLogin(ctx, call, req)
		return challenge, "", err
	}
	if call.CustomerID == uuid.Nil {
		return otp.Challenge{}, "", session.ErrRequired
	}
	intent, err := stepup.Load(ctx, op.db, op.ring, *req.IntentID, call.CustomerID, now)
	if err != nil {
		return otp.Challenge{}, "", err
	}
	index, err := customer.PhoneIndexOf(ctx, op.db, call.CustomerID)
	if err != nil {
		return otp.Challenge{}, "", err
	}
	challenge := otp.Challenge{
		Subject: stepup.Subject(intent.ID), Purpose: req.Purpose, Phone: index, CustomerID: &call.CustomerID,
		DeviceID: intent.DeviceID, Binding: intent.Digest, Quotas: []otp.Quota{otp.OwnQuota()},
	}
	if req.Purpose == otp.NewPhone { // the customer's own quota counts it, whichever number the intent names
		challenge.Subject = stepup.NewPhoneSubject(intent.ID)
		_, err = stepup.NewPhone(intent)
	}
	return challenge, intent.ID.String(), err
}

// beforeLogin makes a challenge for signing up, logging in or resetting the login password.
func (op operation) beforeLogin(ctx context.Context, call *fn.Call, req Request) (otp.Challenge, error) {
	from, proved := device.Prove(call.Channel, call.DeviceID, req.DevicePublicKey, req.DeviceSignature)
	if !proved {
		return otp.Challenge{}, fn.InvalidField("device_signature", "not by device_public_key for this channel and device")
	}
	solved, err := op.captchas.Solved(ctx, req.CaptchaID, req.CaptchaAnswer)
	if err != nil {
		return otp.Challenge{}, err
	}
	index := customer.LoginIndex(op.ring, req.Phone, req.Alias)
	known, err := device.Known(ctx, op.db, index, from)
	if err != nil {
		return otp.Challenge{}, err
	}
	if !known && !solved {
		return otp.Challenge{}, captcha.ErrRequired
	}
	quotas := []otp.Quota{otp.KnownQuota(from.Digest())}
	if !known {
		quotas = otp.UnknownQuotas(call.IP)
	}
	recipient, err := op.recipient(ctx, index, req.Purpose)
	return otp.Challenge{
		Subject: otp.PhoneSubject(req.Purpose, index, from.Digest()), Purpose: req.Purpose, Phone: index,
		CustomerID: recipient, DeviceID: call.DeviceID, Binding: customer.PhoneBinding(req.Purpose, index, from.Digest()),
		Quotas: quotas,
	}, err
}

// recipient finds the customer who has the number, if the purpose fits. A code to
// sign up is for a customer who has not signed up. A code to log in or to reset the login
// password is for a customer who has signed up. It returns nil if no customer may get the code.
func (op operation) recipient(ctx context.Context, index []byte, purpose string) (*uuid.UUID, error) {
	holder, err := customer.ByPhone(ctx, op.db, index)
	switch {
	case errors.Is(err, bankerr.ErrNotFound):
		return nil, nil //nolint:nilnil // it is no error that no customer has the number
	case err != nil:
		return nil, err
	case holder.SignedUp == (purpose == otp.Register):
		return nil, nil //nolint:nilnil // it is no error that the purpose does not fit
	}
	return &holder.ID, nil
}
