// Package unlockkeyset registers a key by which the caller logs in on the device that asks,
// after the phone has recognised the finger or the face.
//
//	POST /function/identity-unlock-key-set   session, step-up   emits identity.passwordchanged.v1
//
// The proofs are the trade password, a code, and a signature by the device's bound key over the text
// of the prepared change: a session may only claim the device's id. The text says
// whether a finger or a face unlocks the key. The phone keeps the private key, and uses it only after
// it has recognised the customer; the request is signed by it. The bank learns nothing of finger and
// face (BIO-012). The key ends with the device's bound key, and must differ from it. Refusals:
// DEVICE_UNBOUND and those of the step-up.
package unlockkeyset

import (
	"bytes"
	"context"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: identity.UnlockKeySet, Summary: "Register the key that the phone's finger or face unlocks", Rate: fn.RateAuth,
	Audit: fn.AuditAuth, Emits: []string{events.TypePasswordChanged},
	Requirements: []string{"BIO-012"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent, and holds the proofs and the key.
type Request struct {
	stepup.Confirmation
	PublicKey []byte `json:"public_key" format:"sm2-public-key" doc:"PKIX DER: the key that finger or face unlocks"`
	Signature []byte `json:"signature" idem:"-" minLength:"1" maxLength:"128" doc:"By this key (docs/protocol.md, section 7)"`
}

// Response confirms the key.
type Response struct {
	KeySet bool `json:"key_set"`
}

type operation struct {
	db    pg.Reader
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	return operation{db: lent.DB, clock: lent.Clock}.do, nil
}

func (op operation) do(
	ctx context.Context, call *fn.Call, req Request, confirmed fn.Confirmed[identity.Change], unit *pg.Unit,
) (Response, error) {
	by := confirmed.Plan.UnlockedBy()
	if !device.Signed(req.PublicKey, device.UnlockText(call.Channel, call.DeviceID, by, req.PublicKey), req.Signature) {
		return Response{}, fn.InvalidField("signature", "not by public_key for this channel, device and method")
	}
	bound, err := device.BoundKey(ctx, op.db, call.CustomerID, call.DeviceID)
	if err != nil {
		return Response{}, err
	}
	if bytes.Equal(bound, req.PublicKey) { // then the bound key alone would log in
		return Response{}, fn.InvalidField("public_key", "the device's bound key")
	}
	key := device.Key{CustomerID: call.CustomerID, DeviceID: call.DeviceID, Public: req.PublicKey}
	device.StoreUnlockKey(unit, key, by, stepup.ErrUnbound)
	id := call.CustomerID.String()
	return Response{KeySet: true}, events.Emit(ctx, unit, id, call.CustomerID, events.PasswordChanged{
		CustomerID: id, DeviceID: call.DeviceID, Which: string(by), ChangedAt: op.clock.Now(),
	})
}
