// Package face owns the tables face_check, face_attempt and face_reference: checks whether
// the customer's face is alive and like the reference photo.
//
// A check serves one intent. The bank chooses at random what the face must do: one action of
// a part of the face, one of the whole face, and a third of either kind (BIO-003). The
// challenge lives two minutes (Life) and is used once. It belongs to the customer, device,
// secure channel and intent of its beginning (BIO-010). The app's SDK encrypts its capture
// to the face engine. The bank passes the capture on and stores nothing of it; it stores the
// outcome, the engine's digest of the template, the versions and the times (BIO-009).
// A check that has passed proves its intent for five minutes (ProofLife), and once.
//
// A check counts as failed, for the customer and for the device, before the engine is asked.
// So parallel checks never get more tries than one after the other. Five failures in the
// policy's time suspend the customer's or the device's checks, over all channels, until they
// are older (face.attempts_max, face.attempts_seconds; BIO-004). Counts stand in PostgreSQL.
//
// The reference photo is that of the online identity check or of the bank's counter. The
// engine holds it; the bank keeps its kind and date (BIO-001). Refusals: FACE_REFERENCE_MISSING,
// FACE_SUSPENDED, FACE_EXPIRED, FACE_REJECTED.
package face

import (
	"crypto/rand"
	"math/big"
	"slices"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// Refusals.
var (
	ErrReference = bankerr.New(bankerr.Refused, "FACE_REFERENCE_MISSING")
	ErrSuspended = bankerr.New(bankerr.Refused, "FACE_SUSPENDED")
	ErrExpired   = bankerr.New(bankerr.Refused, "FACE_EXPIRED")
	ErrRejected  = bankerr.New(bankerr.Refused, "FACE_REJECTED")
)

// Life is how long a challenge may be answered.
const Life = 2 * time.Minute

// Action is what the customer's face must do in the capture.
type Action string

// The actions.
const (
	Blink     Action = "blink"
	OpenMouth Action = "open_mouth"
	TurnLeft  Action = "turn_left"
	TurnRight Action = "turn_right"
	Nod       Action = "nod"
)

// Partial lists the actions of a part of the face.
func Partial() []Action { return []Action{Blink, OpenMouth} }

// Whole lists the actions of the whole face.
func Whole() []Action { return []Action{TurnLeft, TurnRight, Nod} }

// Choose returns the actions of a new challenge in a random order: at least one of each kind,
// and none twice.
func Choose() ([]Action, error) {
	partial, err := shuffled(Partial())
	if err != nil {
		return nil, err
	}
	whole, err := shuffled(Whole())
	if err != nil {
		return nil, err
	}
	rest, err := shuffled(slices.Concat(partial[1:], whole[1:]))
	if err != nil {
		return nil, err
	}
	return shuffled([]Action{partial[0], whole[0], rest[0]})
}

func shuffled(list []Action) ([]Action, error) {
	for i := len(list) - 1; i > 0; i-- {
		at, err := rand.Int(rand.Reader, big.NewInt(int64(i)+1))
		if err != nil {
			return nil, bankerr.ErrInternal.Because(err)
		}
		j := at.Int64()
		list[i], list[j] = list[j], list[i]
	}
	return list, nil
}
