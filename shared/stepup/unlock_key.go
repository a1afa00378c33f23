package stepup

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// UnlockKey is an SM2 signature by a key that the bound device unlocks by the customer's finger
// or face (identity-unlock-key-set).
const UnlockKey Factor = "unlock_key"

type unlockKey struct{}

func (unlockKey) name() Factor { return UnlockKey }

// The standard gives a finger or face no cap, so it has the cap of the SMS code, and counts in
// the same sum of a day (LIMIT-001).
func (unlockKey) cap() money.Fen        { return CapSMS }
func (unlockKey) day() limit.Kind       { return limit.TransferSMS }
func (unlockKey) begin(p Proof) attempt { return &unlockKeyAttempt{signature: p.Signature} }

func (unlockKey) lacks(p Proof) string { return deviceKey{}.lacks(p) }

type unlockKeyAttempt struct {
	signature []byte
	keys      [][]byte // of the finger and of the face, as far as the customer has set them
}

func (a *unlockKeyAttempt) load(v *Verification, batch *pgx.Batch) {
	device.QueueUnlockKeys(batch, v.CustomerID, v.DeviceID, &a.keys)
}

func (a *unlockKeyAttempt) verify(_ context.Context, v *Verification, _ *keys.Ring) error {
	failed := error(ErrProofRejected)
	for _, public := range a.keys {
		if failed = v.signed(public, a.signature); failed == nil {
			return nil
		}
	}
	return failed
}

func (*unlockKeyAttempt) waits() bool                   { return false }
func (*unlockKeyAttempt) settle(*pg.Unit)               {}
func (*unlockKeyAttempt) left() (int, *time.Time, bool) { return 0, nil, false }

// consume adds nothing: the signed text names the intent, which is used once.
func (*unlockKeyAttempt) consume(*pg.Unit, uuid.UUID) {}
