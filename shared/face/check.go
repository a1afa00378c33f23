package face

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	sqlReady = `-- face.ready
SELECT face_photo($1, $2) IS NOT NULL, face_suspended_until($3, $4, $5)`

	sqlBegin = `-- face.begin
INSERT INTO face_check (id, customer_id, device_id, channel, intent_id, binding, nonce, actions, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

	sqlCount = `-- face.count_attempt
SELECT o_verdict, o_until, o_nonce, coalesce(o_actions, '{}'), o_handle, coalesce(o_left, 0)
  FROM face_count_attempt($1, $2, $3, $4, $5, $6, $7, $8)`

	sqlSettle = `-- face.settle
SELECT face_settle($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	nonceBytes = 16
)

// state is the state of a check. The table's CHECK lists the same states.
type state string

const (
	statePassed     state = "passed"
	stateFailed     state = "failed"
	stateUnanswered state = "unanswered" // the engine gave no answer that the bank can use

	// The database alone sets open, tried and used.
)

// Caller is who answers a challenge. Only the caller who began the check may end it.
type Caller struct {
	CustomerID uuid.UUID
	DeviceID   string
	Channel    channel.ID
}

func (c Caller) channel() []byte { return sm.Digest(c.Channel[:]) }

// subjects name what a failed check counts against: the customer, and the device.
func (c Caller) subjects() (customer, device []byte) {
	return ofCustomer(c.CustomerID), sm.Digest([]byte("face of device"), []byte{0}, []byte(c.DeviceID))
}

func ofCustomer(id uuid.UUID) []byte { return sm.Digest([]byte("face of customer"), []byte{0}, id[:]) }

// Beginning is what a new check needs.
type Beginning struct {
	Caller
	IntentID uuid.UUID // of the operation that the check serves
	Digest   []byte    // of the operation's text
	Oldest   time.Time // the reference photo must be younger
	Now      time.Time
}

// StartCheck adds a new check to the unit. The customer has two minutes to answer its challenge. It
// returns ErrReference without a reference photo that is young enough, and a SuspendedError
// while the customer or the device is suspended.
func StartCheck(ctx context.Context, db pg.Reader, unit *pg.Unit, b Beginning) (Challenge, error) {
	customer, device := b.subjects()
	var referenced bool
	var until *time.Time
	args := []any{b.CustomerID, b.Oldest, [][]byte{customer, device}, b.Now, clock.BusinessDay(b.Now)}
	if err := db.QueryRow(ctx, sqlReady, args...).Scan(&referenced, &until); err != nil {
		return Challenge{}, fmt.Errorf("ready for a face check: %w", err)
	}
	switch {
	case until != nil:
		return Challenge{}, &SuspendedError{Until: *until}
	case !referenced:
		return Challenge{}, ErrReference
	}
	actions, err := Choose()
	if err != nil {
		return Challenge{}, err
	}
	made := Challenge{ID: uuid.New(), Nonce: make([]byte, nonceBytes), Actions: actions}
	_, _ = rand.Read(made.Nonce) // never fails (crypto/rand)
	unit.Add(pg.Statement{SQL: sqlBegin, Args: []any{
		made.ID, b.CustomerID, b.DeviceID, b.channel(), b.IntentID, b.Digest, made.Nonce, actions, b.Now, b.Now.Add(Life),
	}})
	return made, nil
}

// SuspendedError says until when no face is checked for the customer, or on the device. It is
// the refusal ErrSuspended.
type SuspendedError struct{ Until time.Time }

// Error is for logs.
func (s *SuspendedError) Error() string { return "suspended until " + s.Until.Format(time.RFC3339) }

// Unwrap returns the refusal.
func (*SuspendedError) Unwrap() error { return ErrSuspended }

// Verdict is the decision whether the engine is asked.
type Verdict string

// The verdicts of face_count_attempt.
const (
	Open       Verdict = "open"
	Suspended  Verdict = "suspended"
	NoPhoto    Verdict = "reference"
	NotForThis Verdict = "refused" // the challenge is used, expired, unknown, or of another caller
)

// Attempt is one answer to a challenge. CountFace counts it as failed. If the verdict is Open,
// the caller asks the engine, and then PassFace or QueueFaceEnd settles the attempt.
type Attempt struct {
	Caller
	ID     uuid.UUID // of the check
	Oldest time.Time // the reference photo must be younger
	Now    time.Time

	// These fields are set after CountFace.
	Verdict Verdict
	Until   *time.Time // the end of a suspension
	Left    int        // attempts that are left if this one fails

	nonce   []byte
	actions []Action
	handle  *uuid.UUID
}

// CountFace adds the statement that counts the attempt to the batch. The batch may be sent
// again: the last answer decides.
func (a *Attempt) CountFace(batch *pgx.Batch) {
	customer, device := a.subjects()
	args := []any{
		a.ID, a.CustomerID, a.DeviceID, a.channel(), [][]byte{customer, device}, a.Oldest, a.Now, clock.BusinessDay(a.Now),
	}
	batch.Queue(sqlCount, args...).QueryRow(func(row pgx.Row) error {
		a.Until, a.handle = nil, nil
		if err := row.Scan(&a.Verdict, &a.Until, &a.nonce, &a.actions, &a.handle, &a.Left); err != nil {
			return pg.Classify(fmt.Errorf("count attempt of face: %w", err))
		}
		return nil
	})
}

// Asked is the request to the engine for a counted attempt with a capture.
func (a *Attempt) Asked(capture []byte) Request {
	return Request{
		Challenge: Challenge{ID: a.ID, Nonce: a.nonce, Actions: a.actions}, Reference: *a.handle, Capture: capture,
	}
}

// Fault returns why the engine's result does not pass, in a few words for audit; "" if it
// passes. The result must be of this challenge. Each action must have been alive, and the
// capture as a whole (BIO-001, BIO-003).
func (a *Attempt) Fault(r Result) string {
	lively := r.Live && slices.EqualFunc(r.Actions, a.actions, func(done Done, wanted Action) bool {
		return done.Action == wanted && done.Live
	})
	switch {
	case r.ID != a.ID || !bytes.Equal(r.Nonce, a.nonce):
		return "face of another challenge"
	case r.Duplicate:
		return "face captured before"
	case !lively:
		return "face not alive"
	case !r.Match:
		return "face does not match"
	}
	return ""
}

func (a *Attempt) settled(as state, r Result) []any {
	customer, device := a.subjects()
	return []any{a.ID, customer, device, as, append([]byte{}, r.TemplateDigest...), r.Engine, r.SDK, r.Model, a.Now}
}

// PassFace adds to the unit the statement that settles an attempt that has passed.
func (a *Attempt) PassFace(unit *pg.Unit, r Result) {
	unit.Add(pg.Statement{Call: "face_settle", Args: a.settled(statePassed, r)})
}

// QueueFaceEnd adds to the batch the statement that settles an attempt that has failed.
func (a *Attempt) QueueFaceEnd(batch *pgx.Batch, r Result) {
	batch.Queue(sqlSettle, a.settled(stateFailed, r)...)
}

// QueueFaceBack adds to the batch the statement that gives back the count of an attempt that the
// engine has not answered.
func (a *Attempt) QueueFaceBack(batch *pgx.Batch) {
	batch.Queue(sqlSettle, a.settled(stateUnanswered, Result{})...)
}
