package login

import (
	"bytes"
	"context"
	"fmt"
	"time"

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
	from  device.Origin
	text  []byte // what the signatures are over
	trade []byte // the trade password; nil if the request holds none

	bound  []byte    // the key that the device has bound; nil: none
	holder uuid.UUID // the holder of the card
}

// newDeviceKey checks that the device has the private key that it brings.
func newDeviceKey(ring *keys.Ring, call *fn.Call, req Request) (*deviceKey, error) {
	from, proved := device.Prove(call.Channel, call.DeviceID, req.DevicePublicKey, req.DeviceSignature)
	k := &deviceKey{req: req, from: from, text: device.Text(call.Channel, call.DeviceID, req.DevicePublicKey)}
	if !proved {
		return nil, fn.InvalidField("device_signature", "not by device_public_key for this channel and device")
	}
	if len(req.TradePassword) == 0 {
		return k, nil
	}
	var err error
	k.trade, err = password.OpenDigits(ring, call.Channel, "trade_password", req.TradePassword)
	return k, err
}

// stepUp is the result of a step-up. The client sees no reason.
type stepUp struct {
	given, right bool
	reasons      []string // for the access record, beside the failure
	tried        password.TradeAttempt
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

// steppedUp verifies the step-up that the request holds, if it holds one. entitled tells
// whether the login's own factors are right. The work does not depend on what the bank
// knows.
func (l *login) steppedUp(ctx context.Context, call *fn.Call, entitled bool) (stepUp, error) {
	k := l.key
	switch {
	case len(k.req.OldKeySignature) > 0:
		old := k.bound
		if old == nil {
			old = k.req.DevicePublicKey
		}
		return stepUp{given: true, right: device.Signed(old, k.text, k.req.OldKeySignature) && k.bound != nil}, nil
	case k.trade != nil:
		tried := password.TradeAttempt{AtLogin: true, DeviceID: call.DeviceID, Now: l.attempt.Now}
		if entitled && k.holder == l.attempt.CustomerID {
			tried.CustomerID = l.attempt.CustomerID
		}
		return l.guess(ctx, call, tried)
	}
	return stepUp{}, nil
}

// Guesses in flight may reach the bound of the trade password. Then a guess waits for
// them a little, and tries at most so often.
const (
	waitTries = 4
	waitStep  = 50 * time.Millisecond
)

// settleTimeout ends the settlement of a guess, which also a call that is late needs.
const settleTimeout = 2 * time.Second

// guess makes one guess at the trade password. It counts like a proof of a confirmation,
// against the trade password's own bound, and no login without a step-up resets that
// count. A guess counts, and can be right, only if the login's factors and the card are
// right. So a stranger can't lock the trade password; the work is the same.
func (l *login) guess(ctx context.Context, call *fn.Call, tried password.TradeAttempt) (stepUp, error) {
	for try := 1; ; try++ {
		var count pgx.Batch
		tried.CountTrade(&count)
		if err := call.CountAttempts(ctx, &count); err != nil {
			return stepUp{}, err
		}
		if tried.Verdict != password.TradeWait || try == waitTries {
			break
		}
		select {
		case <-ctx.Done():
			return stepUp{}, fmt.Errorf("wait for guesses in flight: %w", ctx.Err())
		case <-time.After(time.Duration(try) * waitStep):
		}
	}
	right, failed := tried.Check(l.turn, l.key.trade)
	var settle pgx.Batch
	tried.SettleAtLogin(&settle, failed == nil, right)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := call.CountAttempts(ctx, &settle); err != nil {
		return stepUp{}, err
	}
	if failed != nil {
		return stepUp{}, failed
	}
	right = right && tried.Counted()
	return stepUp{given: true, right: right, tried: tried, reasons: tradeReasons(tried, right)}, nil
}

// tradeReasons tells audit about the trade password: locks that this guess found, ended or
// began, and a stored text that can't be read.
func tradeReasons(tried password.TradeAttempt, right bool) (reasons []string) {
	add := func(found bool, reason string) {
		if found {
			reasons = append(reasons, "trade_password "+reason)
		}
	}
	add(tried.Verdict == password.TradeReopened, "lock ended")
	add(tried.Verdict == password.TradeLocked, "locked")
	add(tried.Verdict == password.TradeFrozen, "frozen")
	add(tried.Verdict == password.TradeWait, "in use")
	add(tried.Damaged, "damaged")
	add(tried.Counted() && !right && tried.Until != nil, "now locked")
	return reasons
}
