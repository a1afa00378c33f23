// Package status tells a customer what has become of the sending of a one-time code.
//
//	POST /function/otp-status   public; for an intent or a new number, session
//
// The customer learns in Chinese that the gateway has not taken the code, and what to do (OTP-006). For
// the way uplink, the answer tells whether the customer's text has arrived. Before login, only a device
// that proves the key that the number's customer has bound on it learns the truth. All other devices get
// one answer, whether or not the number is known. Refusals: SESSION_REQUIRED; for an intent
// OBJECT_NOT_FOUND, INTENT_USED, INTENT_EXPIRED.
package status

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/uplink"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "otp-status", Summary: "Tell what has become of the sending of a one-time code", Audience: fn.Public, Rate: fn.RateAuth,
	Refusals:     []*bankerr.Error{session.ErrRequired, bankerr.ErrNotFound, stepup.ErrUsed, stepup.ErrExpired},
	Keys:         []keys.Purpose{keys.BlindIndex, keys.Storage},
	Requirements: []string{"OTP-006"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the code as otp-send did.
type Request struct {
	Purpose  string     `json:"purpose" enum:"register,login,reset,intent,phone"`
	Way      string     `json:"way,omitempty" enum:"sms,voice,uplink"`
	Phone    string     `json:"phone,omitempty" maxLength:"32" doc:"Not for intent and phone" example:"13900001111"`
	Alias    string     `json:"alias,omitempty" maxLength:"20" doc:"For login, in place of phone"`
	IntentID *uuid.UUID `json:"intent_id,omitempty" format:"uuid" doc:"For intent and phone"`

	DevicePublicKey []byte `json:"device_public_key,omitempty" format:"sm2-public-key" doc:"As with otp-send"`
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
		if len(r.DevicePublicKey) == 0 && len(r.DeviceSignature) > 0 {
			return fn.InvalidField("device_public_key", "missing")
		}
		if r.Alias != "" && r.Purpose != otp.Login {
			return fn.InvalidField("alias", "not for this purpose")
		}
		return customer.CheckLoginName(r.Phone, r.Alias)
	case otp.Intent, otp.NewPhone:
		if r.IntentID == nil || r.Phone != "" || r.Alias != "" {
			return fn.InvalidField("intent_id", "name the intent, and no number")
		}
		if len(r.DevicePublicKey) > 0 || len(r.DeviceSignature) > 0 {
			return fn.InvalidField("device_public_key", "not for this purpose")
		}
	default:
		return fn.InvalidField("purpose", "unknown")
	}
	return nil
}

// Response tells the state, and what the customer does next.
type Response struct {
	State  string `json:"state" enum:"sending,sent,failed,waiting,arrived,untold" doc:"waiting, arrived: of the customer's own text"`
	Advice string `json:"advice" doc:"Chinese, for the customer"`
}

// The states beside those of otp.Delivery.
const (
	waiting otp.Delivery = "waiting" // for the customer's text
	arrived otp.Delivery = "arrived"
	untold  otp.Delivery = "untold" // the device is not known
)

// advice is what the customer is told to do.
var advice = map[otp.Delivery]string{
	otp.Sending: "验证码正在发送，请稍候",
	otp.Sent:    "验证码已发出；若未收到，请检查手机信号和拦截设置，或改用语音验证码",
	otp.Failed:  "验证码未能发出，请改用语音验证码，或稍后重新获取",
	waiting:     "尚未收到您的短信，请用预留手机号发送屏幕上的数字",
	arrived:     "已收到您的短信，请继续办理",
	untold:      "若未收到验证码，请检查手机号、手机信号和拦截设置，稍后重新获取或改用语音验证码",
}

// failedCall is the advice after a call that did not go out.
const failedCall = "语音电话未能拨出，请改用短信验证码或发送短信验证，或稍后重试"

type operation struct {
	db    pg.Reader
	ring  *keys.Ring
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return operation{db: lent.DB, ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request) (Response, error) {
	state, err := op.state(ctx, call, req)
	if err != nil {
		return Response{}, err
	}
	told := advice[state]
	if state == otp.Failed && req.Way == otp.ByVoice {
		told = failedCall
	}
	return Response{State: string(state), Advice: told}, nil
}

func (op operation) state(ctx context.Context, call *fn.Call, req Request) (otp.Delivery, error) {
	now := op.clock.Now()
	if req.IntentID == nil { // Validate has checked that the purpose fits
		return op.beforeLogin(ctx, call, req, now)
	}
	if call.CustomerID == uuid.Nil {
		return "", session.ErrRequired
	}
	intent, err := stepup.Load(ctx, op.db, op.ring, *req.IntentID, call.CustomerID, now)
	if err != nil {
		return "", err
	}
	switch {
	case req.Way == otp.ByUplink:
		return op.uplinked(ctx, intent)
	case req.Purpose == otp.NewPhone:
		return otp.ReadDelivery(ctx, op.db, stepup.NewPhoneSubject(intent.ID), now)
	case req.Way == otp.ByVoice:
		return otp.ReadDelivery(ctx, op.db, stepup.VoiceSubject(intent.ID), now)
	}
	return otp.ReadDelivery(ctx, op.db, stepup.Subject(intent.ID), now)
}

// uplinked tells whether the customer's text for the intent has arrived.
func (op operation) uplinked(ctx context.Context, intent stepup.Intent) (otp.Delivery, error) {
	text := uplink.Arrived{CustomerID: intent.CustomerID, IntentID: intent.ID, DeviceID: intent.DeviceID}
	var batch pgx.Batch
	text.QueueArrived(&batch)
	if err := op.db.Batch(ctx, &batch); err != nil {
		return "", err
	}
	if text.Proves(intent.Digest) {
		return arrived, nil
	}
	return waiting, nil
}

// beforeLogin always reads the same, so that its time tells nothing about the number.
func (op operation) beforeLogin(ctx context.Context, call *fn.Call, req Request, now time.Time) (otp.Delivery, error) {
	from, proved := device.Prove(call.Channel, call.DeviceID, req.DevicePublicKey, req.DeviceSignature)
	if !proved {
		return "", fn.InvalidField("device_signature", "not by device_public_key for this channel and device")
	}
	index := customer.LoginIndex(op.ring, req.Phone, req.Alias)
	known, err := device.Known(ctx, op.db, index, from)
	if err != nil {
		return "", err
	}
	state, err := otp.ReadDelivery(ctx, op.db, otp.PhoneSubject(req.Purpose, index, from.Digest()), now)
	if err == nil && !known {
		return untold, nil
	}
	return state, err
}
