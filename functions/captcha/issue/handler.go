// Package issue draws a graphic code.
//
//	POST /function/captcha-issue   public
//
// The reply holds an image and an id; no field holds the digits. The code lives two
// minutes and takes one answer.
package issue

import (
	"context"

	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "captcha-issue", Summary: "Draw a graphic code", Audience: fn.Public, Rate: fn.RateAuth, NoDatabase: true,
	Keys:         []keys.Purpose{keys.Session},
	Requirements: []string{"CAPTCHA-001", "CAPTCHA-002", "CAPTCHA-003", "RISK-002"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request asks for a code.
type Request struct{}

// Response is the code as a picture.
type Response struct{ captcha.Code }

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	store := lent.Captchas
	return func(ctx context.Context, _ *fn.Call, _ Request) (Response, error) {
		id, image, err := store.Issue(ctx)
		return Response{Code: captcha.NewCode(id, image)}, err
	}, nil
}
