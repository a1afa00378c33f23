// Package quickchallenge gives out the challenge of a quick login.
//
//	POST /function/identity-quick-challenge   public
//
// The challenge is random, good once, for two minutes, and on this channel only. It says nothing
// about any customer. identity-quick-login takes its answer. Refusals: none of its own.
package quickchallenge

import (
	"context"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-quick-challenge", Summary: "Give out the challenge of a quick login", Audience: fn.Public, Rate: fn.RateAuth,
	Requirements: []string{"BIO-012"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Response is the challenge.
type Response struct {
	Challenge []byte    `json:"challenge" doc:"32 random bytes; good once"`
	ExpiresAt time.Time `json:"expires_at"`
}

type operation struct{ clock clock.Clock }

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{clock: lent.Clock}.do, nil
}

func (op operation) do(_ context.Context, call *fn.Call, _ Request, unit *pg.Unit) (Response, error) {
	now := op.clock.Now()
	return Response{
		Challenge: device.NewChallenge(unit, call.Channel, now), ExpiresAt: now.Add(device.ChallengeLife).In(clock.Shanghai),
	}, nil
}
