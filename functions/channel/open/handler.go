// Package open sets up the secure channel that every other function needs.
//
//	POST /function/channel-open   public, without a channel
//
// docs/protocol.md describes the handshake. Refusal: CHANNEL_REFUSED.
package open

import (
	"context"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/session"
)

// ErrRefused refuses a handshake without a reason.
var ErrRefused = bankerr.New(bankerr.Invalid, "CHANNEL_REFUSED")

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "channel-open", Summary: "Negotiate a secure channel", Audience: fn.Public, NoChannel: true, NoDatabase: true, Rate: fn.RateOpen,
	Refusals:     []*bankerr.Error{ErrRefused},
	Keys:         []keys.Purpose{keys.Channel, keys.Password},
	Requirements: []string{"CRYPTO-008", "CRYPTO-014", "CRYPTO-016", "AUTH-030"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request is the app's hello.
type Request struct{ channel.Hello }

// Validate checks the characters of the device id, which is stored and logged.
func (r Request) Validate() error {
	for _, c := range r.DeviceID {
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return fn.InvalidField("device_id", "letters, digits, dot, dash and underscore only")
		}
	}
	return nil
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, channel.Welcome], error) {
	passwordKey, err := lent.Keys.Public(keys.Password).Marshal()
	if err != nil {
		return nil, err
	}
	server := channel.Server{
		Sign:        func(message []byte) ([]byte, error) { return lent.Keys.Sign(keys.Channel, message) },
		Certificate: lent.Keys.Certificate(), PasswordKey: passwordKey, Life: lent.Channels.Unproved(),
	}
	return func(ctx context.Context, _ *fn.Call, req Request) (channel.Welcome, error) {
		welcome, id, opened, err := server.Respond(req.Hello)
		if err != nil {
			return channel.Welcome{}, ErrRefused.Because(err)
		}
		err = lent.Channels.OpenChannel(ctx, id, session.Channel{DeviceID: req.DeviceID, Keys: opened})
		return welcome, err
	}, nil
}
