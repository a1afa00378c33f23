// Package passkeyset registers a passkey of the caller's browser (WebAuthn) on the device that asks, in
// place of an earlier one.
//
//	POST /function/identity-passkey-set   session, step-up   emits identity.passwordchanged.v1
//
// The proofs are those of a key that finger or face unlocks: the trade password, a code, and a signature
// by the device's bound key over the text of the prepared change. The authenticator's answer is for a
// challenge that is derived from this text, the channel and the device, so it registers nothing elsewhere.
// The bank takes ES256, after the authenticator has recognised the customer, and no passkey that may be
// copied to other devices. The passkey ends with the device's bound key. Refusals: DEVICE_UNBOUND and
// those of the step-up.
package passkeyset

import (
	"context"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/passkey"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: identity.PasskeySet, Summary: "Register a passkey of the browser", Rate: fn.RateAuth,
	Audit: fn.AuditAuth, Emits: []string{events.TypePasswordChanged},
	Requirements: []string{"BIO-012"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct{ Site passkey.Config }

// Request names the intent, and holds the proofs and the passkey.
type Request struct {
	stepup.Confirmation
	Passkey passkey.Registration `json:"passkey" idem:"-" doc:"What navigator.credentials.create answers"`
}

// Response confirms the passkey.
type Response struct {
	PasskeySet bool `json:"passkey_set"`
}

const rejected = "浏览器未能在本机创建可用的通行密钥，请改用手势密码、PIN码或短信验证码"

type operation struct {
	site  passkey.Site
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	site, err := config.Site.Open()
	return operation{site: site, clock: lent.Clock}.do, err
}

func (op operation) do(
	ctx context.Context, call *fn.Call, req Request, confirmed fn.Confirmed[identity.Change], unit *pg.Unit,
) (Response, error) {
	if !op.site.Offered() {
		return Response{}, bankerr.ErrUnavailable
	}
	challenge := device.PasskeyRegistration(call.Channel, call.DeviceID, sm.Digest([]byte(confirmed.Text)))
	made, err := op.site.Register(req.Passkey, challenge)
	if err != nil {
		return Response{}, bankerr.ErrInput.Because(&bankerr.FieldError{Field: "passkey", Why: err.Error(), Advice: rejected})
	}
	device.StorePasskey(unit, call.CustomerID, call.DeviceID, made, stepup.ErrUnbound)
	id := call.CustomerID.String()
	return Response{PasskeySet: true}, events.Emit(ctx, unit, id, call.CustomerID, events.PasswordChanged{
		CustomerID: id, DeviceID: call.DeviceID, Which: string(device.ByPasskey), ChangedAt: op.clock.Now(),
	})
}
