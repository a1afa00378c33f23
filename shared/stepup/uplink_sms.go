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
	"github.com/tidebank/tidebank/shared/uplink"
)

// UplinkSMS is a text that the customer has sent from the reserved number to the bank's number. The
// app showed it for the intent (otp-send), and the gateway delivered it (otp-uplink).
const UplinkSMS Factor = "uplink_sms"

type uplinkSMS struct{}

func (uplinkSMS) name() Factor { return UplinkSMS }

// The standard gives such a text no cap, so it has the cap of the SMS code, and counts in the same
// sum of a day (LIMIT-001).
func (uplinkSMS) cap() money.Fen      { return CapSMS }
func (uplinkSMS) day() limit.Kind     { return limit.TransferSMS }
func (uplinkSMS) begin(Proof) attempt { return new(uplinkAttempt) }

// lacks returns "": the proof is the text, which the bank has already.
func (uplinkSMS) lacks(Proof) string { return "" }

type uplinkAttempt struct{ arrived uplink.Arrived }

func (a *uplinkAttempt) load(v *Verification, batch *pgx.Batch) {
	a.arrived = uplink.Arrived{CustomerID: v.CustomerID, DeviceID: v.DeviceID, IntentID: v.Confirmation.IntentID}
	a.arrived.QueueArrived(batch)
}

// The text was made for the digest of the intent's text, so it confirms only this text.
func (a *uplinkAttempt) verify(_ context.Context, v *Verification, _ *keys.Ring) error {
	if !a.arrived.Proves(v.found.Digest) {
		return ErrProofRejected
	}
	return nil
}

func (*uplinkAttempt) waits() bool                   { return false }
func (*uplinkAttempt) settle(*pg.Unit)               {}
func (*uplinkAttempt) left() (int, *time.Time, bool) { return 0, nil, false }

// consume adds nothing: the text is bound to the intent, and the intent is used once.
func (*uplinkAttempt) consume(*pg.Unit, uuid.UUID) {}
