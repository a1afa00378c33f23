// Package captcha draws a graphic code for an app that has no channel.
//
//	POST /function/channel-captcha   public, without a channel
//
// channel-open asks for such a code while too many apps open channels. The bank stores
// nothing: the id holds the answer, sealed. The code lives two minutes and takes one
// answer, at channel-open only.
package captcha

import (
	"context"

	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "channel-captcha", Summary: "Draw a graphic code for an app without a channel", Audience: fn.Public,
	NoChannel: true, NoDatabase: true, Rate: fn.RateOpen,
	Keys:         []keys.Purpose{keys.Session},
	Requirements: []string{"CAPTCHA-001", "CAPTCHA-002", "RISK-002"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request asks for a code.
type Request struct{}

// Response is the code as a picture.
type Response struct{ captcha.Code }

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return func(context.Context, *fn.Call, Request) (Response, error) {
		id, image, err := lent.Captchas.IssueForHello(lent.Clock.Now())
		return Response{Code: captcha.NewCode(id, image)}, err
	}, nil
}
