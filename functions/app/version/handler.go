// Package version tells an app the newest and the lowest version of it, signed.
//
//	POST /function/app-version   public, without a channel
//
// An app that is too old can't open a channel, so the reply comes without one. The bank
// signs it with a channel key that the app pins, together with the nonce of the request.
// So nobody can change a manifest on the way, or show an old one. An app that pins no key
// of the bank gets the signature of the current key. APP_LATEST, APP_MINIMUM and
// APP_DOWNLOAD hold what is told (docs/versions.md).
package version

import (
	"context"
	"fmt"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "app-version", Summary: "Tell the newest and the lowest version of the app", Audience: fn.Public,
	NoChannel: true, NoDatabase: true, Rate: fn.RateOpen,
	Keys:         []keys.Purpose{keys.Channel},
	Requirements: []string{"CLIENT-018"},
}, wire)

// Config is empty: the figures belong to the store of channels.
type Config struct{}

// Request names the app's platform.
type Request struct {
	Platform string   `json:"platform" enum:"ios,android,harmonyos,h5"`
	Nonce    []byte   `json:"nonce" minLength:"44" maxLength:"44" doc:"32 random bytes, new for each request" example:"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="` //nolint:revive // a tag is one line
	Pins     [][]byte `json:"pins,omitempty" minItems:"1" maxItems:"8" nullable:"false" doc:"As in a hello: SM3 of each pinned key"`
}

// Validate checks the sizes.
func (r Request) Validate() error {
	if len(r.Nonce) != channel.NonceSize {
		return fn.InvalidField("nonce", "not 32 bytes")
	}
	for i, pin := range r.Pins {
		if len(pin) != channel.PinSize {
			return fn.InvalidField(fmt.Sprintf("pins[%d]", i), "not 32 bytes")
		}
	}
	return nil
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, channel.Manifest], error) {
	return func(_ context.Context, _ *fn.Call, req Request) (channel.Manifest, error) {
		key, found := lent.Keys.ChannelKeyFor(req.Pins)
		if !found {
			key, _ = lent.Keys.ChannelKeyFor(nil) // the current key is always there
		}
		m := lent.Channels.Versions().Manifest(req.Platform, lent.Clock.Now().In(clock.Shanghai))
		var err error
		if m.Signature, err = key.Sign(m.Text(req.Nonce)); err != nil {
			return channel.Manifest{}, fmt.Errorf("sign the manifest: %w", err)
		}
		return m, nil
	}, nil
}
