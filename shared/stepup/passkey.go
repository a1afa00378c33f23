package stepup

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/passkey"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// Passkey is a signature by the authenticator of the customer's browser, which has recognised the
// customer's finger or face (identity-passkey-set). It is ES256, so it never stands alone.
const Passkey Factor = "passkey"

// PasskeyChallenge is the challenge that a passkey signs to confirm an intent: the SM3 of the ASCII
// text "tidebank passkey confirmation v1" and the digest of the intent's text, each preceded by its
// length in four bytes.
func PasskeyChallenge(digest []byte) []byte {
	return sm.Digest(channel.Join([]byte("tidebank passkey confirmation v1"), digest))
}

type passkeyFactor struct{}

func (passkeyFactor) name() Factor { return Passkey }

// The standard gives a passkey no cap, so it has the cap of the SMS code, and counts in the same sum
// of a day (LIMIT-001).
func (passkeyFactor) cap() money.Fen  { return CapSMS }
func (passkeyFactor) day() limit.Kind { return limit.TransferSMS }

func (passkeyFactor) begin(p Proof) attempt {
	a := &passkeyAttempt{}
	if p.Passkey != nil {
		a.assertion = *p.Passkey
	}
	return a
}

func (passkeyFactor) lacks(p Proof) string {
	if p.Passkey == nil {
		return "passkey"
	}
	return ""
}

type passkeyAttempt struct {
	assertion passkey.Assertion
	deviceID  string
	stored    passkey.Credential
	copied    bool // all is right but the count: a copy of the key may have signed
}

func (a *passkeyAttempt) load(v *Verification, batch *pgx.Batch) {
	a.deviceID, a.copied = v.DeviceID, false
	device.QueuePasskey(batch, v.CustomerID, v.DeviceID, &a.stored)
}

func (a *passkeyAttempt) verify(_ context.Context, v *Verification, _ *keys.Ring) error {
	count, err := v.Site.Check(a.assertion, PasskeyChallenge(v.found.Digest), a.stored)
	if err != nil {
		a.copied = errors.Is(err, passkey.ErrCounter)
		return ErrProofRejected.Because(err)
	}
	a.stored.Count = count
	return nil
}

func (*passkeyAttempt) waits() bool                   { return false }
func (*passkeyAttempt) settle(*pg.Unit)               {}
func (*passkeyAttempt) left() (int, *time.Time, bool) { return 0, nil, false }

// consume stores the count with what the signature confirms, so that no signature with this count
// confirms anything more.
func (a *passkeyAttempt) consume(unit *pg.Unit, customer uuid.UUID) {
	device.UsePasskey(unit, customer, a.deviceID, a.stored, ErrProofRejected)
}
