// Package issue draws a graphic code.
//
//	POST /function/captcha-issue   public
//
// The reply holds an image, or a sound for a customer who can't see one, and an id; no field holds the digits. The code lives
// two minutes and takes one answer.
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
type Request struct {
	Audio bool `json:"audio,omitempty" doc:"A sound in place of the picture"`
}

// Response is the code as a picture or a sound.
type Response struct {
	CaptchaID  string `json:"captcha_id"`
	ImagePNG   []byte `json:"image_png,omitempty" doc:"Unless audio was asked for"`
	AudioWAV   []byte `json:"audio_wav,omitempty" doc:"The digits, spoken in Chinese"`
	ExpiresInS int    `json:"expires_in_s"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	store := lent.Captchas
	return func(ctx context.Context, _ *fn.Call, req Request) (reply Response, err error) {
		reply.ExpiresInS = int(captcha.Life.Seconds())
		if req.Audio {
			reply.CaptchaID, reply.AudioWAV, err = store.IssueSpoken(ctx)
		} else {
			reply.CaptchaID, reply.ImagePNG, err = store.Issue(ctx)
		}
		return reply, err
	}, nil
}
