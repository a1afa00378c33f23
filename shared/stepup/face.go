package stepup

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// Face is a check of the customer's face that has passed for the intent (identity-face-finish).
const Face Factor = "face"

// biometric reports whether the factor is a biometric. Biometrics alone confirm nothing
// (BIO-002).
func biometric(name Factor) bool { return name == Face || name == UnlockKey }

type faceCheck struct{}

func (faceCheck) name() Factor { return Face }

// The standard gives a face no cap, so it has the cap of the SMS code, and counts in the same
// sum of a day (LIMIT-001).
func (faceCheck) cap() money.Fen  { return CapSMS }
func (faceCheck) day() limit.Kind { return limit.TransferSMS }

func (faceCheck) begin(p Proof) attempt {
	a := &faceAttempt{}
	if p.CheckID != nil {
		a.passed.ID = *p.CheckID
	}
	return a
}

func (faceCheck) lacks(p Proof) string {
	if p.CheckID == nil {
		return "check_id"
	}
	return ""
}

type faceAttempt struct{ passed face.Passed }

func (a *faceAttempt) load(v *Verification, batch *pgx.Batch) {
	a.passed = face.Passed{
		Caller: face.Caller{CustomerID: v.CustomerID, DeviceID: v.DeviceID, Channel: v.Channel},
		ID:     a.passed.ID, IntentID: v.Confirmation.IntentID, Now: v.Now,
	}
	a.passed.QueuePassed(batch)
}

// The check was begun for the digest of the intent's text, so it confirms only this text.
func (a *faceAttempt) verify(_ context.Context, v *Verification, _ *keys.Ring) error {
	if !a.passed.Proves(v.found.Digest) {
		return ErrProofRejected
	}
	return nil
}

func (*faceAttempt) waits() bool                   { return false }
func (*faceAttempt) settle(*pg.Unit)               {}
func (*faceAttempt) left() (int, *time.Time, bool) { return 0, nil, false }

func (a *faceAttempt) consume(unit *pg.Unit, _ uuid.UUID) { a.passed.UsePassed(unit, ErrProofRejected) }
