package stepup

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// DeviceKey is an SM2 signature by the key of the bound device.
const DeviceKey Factor = "device_key"

type deviceKey struct{}

func (deviceKey) name() Factor { return DeviceKey }

// A device key without a certificate has the cap of the SMS code. It counts in the
// same sum of a day (LIMIT-001).
func (deviceKey) cap() money.Fen        { return CapSMS }
func (deviceKey) day() limit.Kind       { return limit.TransferSMS }
func (deviceKey) begin(p Proof) attempt { return deviceKeyAttempt{signature: p.Signature} }

func (deviceKey) lacks(p Proof) string {
	if len(p.Signature) == 0 {
		return "signature"
	}
	return ""
}

type deviceKeyAttempt struct{ signature []byte }

// load adds nothing: the intent's statement also reads the device's public key.
func (deviceKeyAttempt) load(*Verification, *pgx.Batch) {}

func (a deviceKeyAttempt) verify(_ context.Context, v *Verification, _ *keys.Ring) error {
	return v.signed(v.found.deviceKey, a.signature)
}

// signed returns nil if the signature over the intent's text is by the public key.
func (v *Verification) signed(public, signature []byte) error {
	key, err := sm.ParsePublicKey(public)
	if err == nil {
		err = sm.Verify(key, []byte(v.found.Text), signature)
	}
	if err != nil {
		return rejected(err)
	}
	return nil
}

func (deviceKeyAttempt) waits() bool                   { return false }
func (deviceKeyAttempt) settle(*pg.Unit)               {}
func (deviceKeyAttempt) left() (int, *time.Time, bool) { return 0, nil, false }

// consume adds nothing: the signed text names the intent, which is used once.
func (deviceKeyAttempt) consume(*pg.Unit, uuid.UUID) {}
