package stepup

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// errNoIntent tells nobody whether the intent exists for someone else.
var errNoIntent = bankerr.ErrNotFound

// Subject names the OTP challenge of an intent.
func Subject(intent uuid.UUID) string { return "intent:" + intent.String() }

// Verification is one request's step-up: it queues its statements on the runtime's
// batch, and after that round trip verifies the proofs.
type Verification struct {
	Operation    string // the confirming function
	CustomerID   uuid.UUID
	DeviceID     string
	Channel      channel.ID
	Confirmation Confirmation
	Now          time.Time

	Failed Factor // the proof that did not hold, after Verify; for audit only

	lockEnded, nowLocked bool // of the trade password, by this attempt

	found    record
	loadErr  error
	attempts []attempt // one for each proof
}

// Queue adds the verification's statements to the batch. An attempt at a code or
// password is counted here, before anything looks at the guess. A batch that was
// rolled back may be sent again: the last answers decide.
func (v *Verification) Queue(batch *pgx.Batch) {
	v.loadErr = errNoIntent
	batch.Queue(sqlIntentLoad, v.Confirmation.IntentID, v.CustomerID).QueryRow(func(row pgx.Row) error {
		if v.loadErr = v.found.scan(row); errors.Is(v.loadErr, errNoIntent) {
			return nil
		}
		return v.loadErr
	})
	v.attempts = nil
	if _, more := v.surplus(); more {
		return // Verify refuses them; nothing is counted
	}
	for _, p := range v.Confirmation.Proofs {
		var a attempt = unknown{}
		if f, ok := factors[p.Factor]; ok {
			a = f.begin(p)
		}
		a.load(v, batch)
		v.attempts = append(v.attempts, a)
	}
}

// surplus finds a second proof of one factor, or the first of more proofs than there
// are factors.
func (v *Verification) surplus() (Factor, bool) {
	proofs := v.Confirmation.Proofs
	for i, p := range proofs {
		same := func(other Proof) bool { return other.Factor == p.Factor }
		if i >= len(factors) || slices.ContainsFunc(proofs[:i], same) {
			return p.Factor, true
		}
	}
	return "", false
}

// Verify decides after the round trip. Every proof brought must hold, and
// together they must make one of the intent's combinations.
func (v *Verification) Verify(ring *keys.Ring) (*Verified, error) {
	if v.loadErr != nil {
		return nil, v.loadErr
	}
	in := &v.found
	if in.Operation != v.Operation || in.DeviceID != v.DeviceID {
		return nil, errNoIntent
	}
	if err := in.open(v.Now); err != nil {
		return nil, err
	}
	if err := in.unseal(ring); err != nil {
		return nil, err
	}
	proven, err := v.prove(ring)
	if err != nil {
		return nil, err
	}
	for _, combination := range in.Combinations {
		if combination.satisfiedBy(proven) {
			return &Verified{Intent: in.Intent, Factors: proven, attempts: v.attempts, now: v.Now}, nil
		}
	}
	return nil, ErrStronger.Because(&MissingError{Combinations: in.Combinations})
}

// prove looks at all proofs, so that a right password is known as such beside a
// wrong code.
func (v *Verification) prove(ring *keys.Ring) ([]Factor, error) {
	if f, more := v.surplus(); more {
		v.Failed = f
		return nil, ErrProofRejected
	}
	proven := make([]Factor, len(v.attempts))
	var failed error
	for i, a := range v.attempts {
		proven[i] = v.Confirmation.Proofs[i].Factor
		if err := a.verify(v, ring); err != nil && failed == nil {
			failed, v.Failed = err, proven[i]
		}
	}
	return proven, failed
}

// Reason says after Verify, for audit only, which proof did not hold, and whether a lock
// of the trade password ended or began with this attempt; "" if there is nothing to say.
func (v *Verification) Reason() string {
	var parts []string
	if v.lockEnded {
		parts = append(parts, "lock ended")
	}
	if v.Failed != "" {
		parts = append(parts, string(v.Failed))
	}
	if v.nowLocked && v.Failed != TradePassword { // another proof did not hold either
		parts = append(parts, string(TradePassword))
	}
	if v.nowLocked {
		parts = append(parts, "now locked")
	}
	return strings.Join(parts, ", ")
}

// UndoAttempt adds to the unit, for a call that was refused, what takes back the
// count of a trade password that was right; false if there is none. A customer
// short of funds has not guessed wrong.
func (v *Verification) UndoAttempt(unit *pg.Unit) bool {
	undone := false
	for _, a := range v.attempts {
		undone = a.undo(unit, v.CustomerID) || undone
	}
	return undone
}

// rejected is the answer to a proof that does not hold, unless the crypto module
// has shut and nothing can hold.
func rejected(err error) error {
	if errors.Is(err, sm.ErrModule) {
		return bankerr.ErrInternal.Because(err)
	}
	return ErrProofRejected.Because(err)
}

// Verified is an intent whose proofs hold.
type Verified struct {
	Intent  Intent
	Factors []Factor // all that were brought

	attempts []attempt
	now      time.Time
}

// Consume adds to the unit what makes the intent and its proofs single-use.
func (e *Verified) Consume(unit *pg.Unit) {
	unit.Add(pg.Statement{
		Call:   "intent_consume",
		Rows:   sqlIntentConsumeRows,
		Args:   []any{e.Intent.ID, e.Intent.CustomerID, e.now},
		Refuse: map[string]error{ErrExpired.Code(): ErrExpired, ErrUsed.Code(): used(e.Intent.ID)},
	})
	for _, a := range e.attempts {
		a.consume(unit, e.Intent.CustomerID)
	}
}
