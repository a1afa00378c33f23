package login

import (
	"bytes"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
)

// deviceKey is the device's key that a login brings. If the device has bound this key
// before, the login comes verifiably from the device. Otherwise the key is bound only
// after a step-up: a signature by the key that it replaces, or trade password and card.
// Without a step-up the login is good, and no key is bound.
type deviceKey struct {
	req   Request
	text  []byte // what the signatures are over
	trade []byte // the trade password; nil if the request holds none

	bound  []byte    // the key that the device has bound; nil: none
	holder uuid.UUID // the holder of the card
}

// newDeviceKey checks that the device has the private key that it brings.
func newDeviceKey(ring *keys.Ring, call *fn.Call, req Request) (*deviceKey, error) {
	k := &deviceKey{req: req, text: device.Text(call.Channel, call.DeviceID, req.DevicePublicKey)}
	if len(req.DevicePublicKey) > 0 && !device.Signed(req.DevicePublicKey, k.text, req.DeviceSignature) {
		return nil, fn.InvalidField("device_signature", "not by device_public_key for this channel and device")
	}
	if len(req.TradePassword) == 0 {
		return k, nil
	}
	var err error
	k.trade, err = password.OpenField(ring, call.Channel, "trade_password", req.TradePassword)
	return k, err
}

// queue adds the queries for what the bank knows. They cost the same for unknown
// numbers.
func (k *deviceKey) queue(batch *pgx.Batch, ring *keys.Ring, phone []byte, deviceID string) {
	device.QueueByPhone(batch, phone, deviceID, func(public []byte) { k.bound = public })
	if k.req.CardNo != "" {
		customer.QueueCard(batch, ring, k.req.CardNo, func(holder uuid.UUID) { k.holder = holder })
	}
}

// verified reports whether the device has bound the key before.
func (k *deviceKey) verified() bool {
	return len(k.req.DevicePublicKey) > 0 && bytes.Equal(k.bound, k.req.DevicePublicKey)
}

// steppedUp reports whether the request holds a step-up, and whether it is right. The
// work does not depend on what the bank knows.
func (k *deviceKey) steppedUp(attempt *password.LoginAttempt) (given, right bool) {
	switch {
	case len(k.req.OldKeySignature) > 0:
		old := k.bound
		if old == nil {
			old = k.req.DevicePublicKey
		}
		return true, device.Signed(old, k.text, k.req.OldKeySignature) && k.bound != nil
	case k.trade != nil:
		known := attempt.MatchesTrade(k.trade)
		return true, known && k.holder != uuid.Nil && k.holder == attempt.CustomerID
	}
	return false, false
}
