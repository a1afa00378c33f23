// Package uplink takes a text that a phone has sent to the bank's number.
//
//	POST /function/otp-uplink   public, without a channel: the SMS gateway calls it
//
// The gateway signs each text (docs/sms-gateway.md, Uplink). A text counts if it is the one that the bank
// has shown to the customer with this number (shared/uplink), and it counts once. It then proves one
// intent. All other texts change nothing. Refusals: UPLINK_REJECTED, if the signature or its time does
// not hold.
package uplink

import (
	"context"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/uplink"
)

// errRejected does not tell what is wrong with the signature.
var errRejected = bankerr.New(bankerr.Unauthenticated, "UPLINK_REJECTED")

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "otp-uplink", Summary: "Take a text that a phone has sent to the bank", Audience: fn.Public, NoChannel: true,
	Rate:         fn.RatePartner,
	Refusals:     []*bankerr.Error{errRejected},
	Keys:         []keys.Purpose{keys.BlindIndex},
	Requirements: []string{"OTP-008"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct{ Gateway uplink.GatewayConfig }

// Request is a text, as the gateway posts it.
type Request struct {
	ID        string `json:"id" minLength:"1" maxLength:"128" doc:"Identifies this text at the gateway" example:"in-1"`
	Phone     string `json:"phone" minLength:"1" maxLength:"32" doc:"The number that sent it" example:"13900001111"`
	Text      string `json:"text" maxLength:"1000"`
	Timestamp int64  `json:"timestamp" minimum:"0" maximum:"99999999999" doc:"Unix seconds, when it was signed" example:"1795399200"`
	Signature string `json:"signature" minLength:"64" maxLength:"64" pattern:"^[0-9a-f]{64}$" doc:"HMAC-SM3 (docs/sms-gateway.md)" example:"c7be19869323e84c8a991b1fffed9876b8289aff3ed26d68c99f8dc980d68f47"` //nolint:revive // a tag is one line
}

// Response tells whether the text has proved something.
type Response struct {
	Accepted bool `json:"accepted"`
}

type operation struct {
	db     pg.Reader
	ring   *keys.Ring
	clock  clock.Clock
	secret string
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.CommandOperation[Request, Response], error) {
	return operation{db: lent.DB, ring: lent.Keys, clock: lent.Clock, secret: config.Gateway.Secret}.do, nil
}

func (op operation) do(ctx context.Context, _ *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	now, message := op.clock.Now(), uplink.Message(req)
	if !message.Signed(op.secret, now) {
		return Response{}, errRejected
	}
	text, ok := message.Canonical()
	number, known := customer.CanonicalPhone(message.Phone)
	if !ok || !known {
		return Response{}, nil
	}
	phone := customer.PhoneIndex(op.ring, number)
	awaited, err := uplink.Awaited(ctx, op.db, phone, text, now)
	if err != nil || !awaited {
		return Response{}, err
	}
	uplink.RecordArrival(unit, phone, text, now)
	return Response{Accepted: true}, nil
}
