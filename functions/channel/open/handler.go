// Package open sets up the secure channel that every other function needs.
//
//	POST /function/channel-open   public, without a channel
//
// docs/protocol.md describes the handshake. While the apps of all addresses together send
// more hellos than the bank takes, a hello must bring a solved graphic code of
// channel-captcha. A hello that brings a code must bring the right answer.
// The bank signs with a channel key that the app pins; CHANNEL_REFUSED tells an app that
// pins only retired keys to update, and an app of version 1 if the bank requires version 2.
// An app that is too old is told to update, before anything else.
// Refusals: CHANNEL_REFUSED, APP_OUTDATED, CAPTCHA_REQUIRED, CAPTCHA_REJECTED.
package open

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/session"
)

// ErrRefused refuses a handshake without a reason.
var ErrRefused = bankerr.New(bankerr.Invalid, "CHANNEL_REFUSED")

var errPins = errors.New("the app pins no key of the bank")

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "channel-open", Summary: "Negotiate a secure channel", Audience: fn.Public, NoChannel: true, NoDatabase: true, Rate: fn.RateOpen,
	Refusals:     []*bankerr.Error{ErrRefused, channel.ErrOutdated, captcha.ErrRequired, captcha.ErrRejected},
	Keys:         []keys.Purpose{keys.Channel, keys.Password, keys.Session},
	Requirements: []string{"CRYPTO-008", "CRYPTO-014", "CRYPTO-016", "AUTH-030"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct {
	// Hybrid is what the bank does about version 2 of the handshake: a channel.Policy, on if empty.
	Hybrid string `envconfig:"CHANNEL_HYBRID"`
}

// Request is the app's hello.
type Request struct {
	channel.Hello
	CaptchaID     string `json:"captcha_id,omitempty" maxLength:"64" doc:"Of channel-captcha, after CAPTCHA_REQUIRED"`
	CaptchaAnswer string `json:"captcha_answer,omitempty" maxLength:"16"`
}

// Validate checks the characters of the device id, which is stored and logged.
func (r Request) Validate() error {
	if err := captcha.CheckForm(r.CaptchaID, r.CaptchaAnswer); err != nil {
		return err
	}
	if r.App != nil && !r.App.Valid() {
		return fn.InvalidField("app.version", "not major.minor.patch")
	}
	for i, pin := range r.Pins {
		if len(pin) != channel.PinSize {
			return fn.InvalidField(fmt.Sprintf("pins[%d]", i), "not 32 bytes")
		}
	}
	for _, c := range r.DeviceID {
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return fn.InvalidField("device_id", "letters, digits, dot, dash and underscore only")
		}
	}
	return nil
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.QueryOperation[Request, channel.Welcome], error) {
	hybrid, err := channel.ParsePolicy(config.Hybrid)
	if err != nil {
		return nil, err
	}
	return operation{lent: lent, hybrid: hybrid}.do, nil
}

type operation struct {
	lent   *fn.Lent
	hybrid channel.Policy
}

func (op operation) do(ctx context.Context, _ *fn.Call, req Request) (channel.Welcome, error) {
	if err := op.lent.Channels.Versions().Check(req.App); err != nil {
		return channel.Welcome{}, err
	}
	solved, err := op.lent.Captchas.SolvedForHello(ctx, op.lent.Clock.Now(), req.CaptchaID, req.CaptchaAnswer)
	if err != nil {
		return channel.Welcome{}, err
	}
	if !solved && op.lent.Channels.Crowded() {
		return channel.Welcome{}, captcha.ErrRequired.Because(session.ErrCrowded)
	}
	key, found := op.lent.Keys.ChannelKeyFor(req.Pins)
	if !found {
		return channel.Welcome{}, ErrRefused.Because(errPins)
	}
	passwordKey, err := op.lent.Keys.Public(keys.Password).Marshal()
	if err != nil {
		return channel.Welcome{}, err
	}
	server := channel.Server{
		Sign: key.Sign, Certificate: key.Certificate, PasswordKey: passwordKey, Life: op.lent.Channels.Unproved(),
		APIVersion: fn.APIVersion, Hybrid: op.hybrid,
	}
	welcome, id, opened, err := server.Respond(req.Hello)
	if err != nil {
		return channel.Welcome{}, ErrRefused.Because(err)
	}
	store := op.lent.Channels.OpenChannel
	if solved {
		store = op.lent.Channels.OpenSolved
	}
	err = store(ctx, id, session.Channel{DeviceID: req.DeviceID, Keys: opened})
	if errors.Is(err, session.ErrCrowded) {
		return channel.Welcome{}, captcha.ErrRequired.Because(err)
	}
	return welcome, err
}
