// Package facebegin begins a check of the customer's face.
//
//	POST /function/identity-face-begin   session
//
// The check serves one prepared operation. The answer holds the challenge: what the face must
// do, at least one action of a part of the face and one of the whole face, and a nonce. The
// app's SDK makes a capture of it within two minutes, and identity-face-finish takes the
// capture. Refusals: FACE_REFERENCE_MISSING, if the bank has no reference photo of the customer,
// or an old one; FACE_SUSPENDED, after too many failures of the customer or on the device;
// OBJECT_NOT_FOUND, INTENT_USED and INTENT_EXPIRED about the intent.
package facebegin

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-face-begin", Summary: "Begin a check of the customer's face for an intent", Audience: fn.Customer,
	Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Refusals: []*bankerr.Error{
		face.ErrReference, face.ErrSuspended, bankerr.ErrNotFound, stepup.ErrUsed, stepup.ErrExpired,
	},
	Keys: []keys.Purpose{keys.Storage}, Requirements: []string{"BIO-001", "BIO-003", "BIO-004"},
}, wire)

// Config holds the age at which a reference photo is too old.
type Config struct{ Face face.Policy }

// Request names the operation that the face confirms.
type Request struct {
	IntentID uuid.UUID `json:"intent_id" format:"uuid" doc:"Of the preparation"`
}

// Response is the challenge.
type Response struct {
	CheckID   uuid.UUID     `json:"check_id" format:"uuid"`
	Nonce     []byte        `json:"nonce" doc:"16 random bytes; the SDK binds the capture to them"`
	Actions   []face.Action `json:"actions" doc:"What the face must do, in this order"`
	ExpiresAt time.Time     `json:"expires_at"`
}

type operation struct {
	db     pg.Reader
	ring   *keys.Ring
	clock  clock.Clock
	policy face.Policy
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.CommandOperation[Request, Response], error) {
	return operation{db: lent.DB, ring: lent.Keys, clock: lent.Clock, policy: config.Face}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	now := op.clock.Now()
	in, err := stepup.Load(ctx, op.db, op.ring, req.IntentID, call.CustomerID, now)
	if err != nil {
		return Response{}, err
	}
	if in.DeviceID != call.DeviceID {
		return Response{}, bankerr.ErrNotFound
	}
	made, err := face.StartCheck(ctx, op.db, unit, face.Beginning{
		Caller:   face.Caller{CustomerID: call.CustomerID, DeviceID: call.DeviceID, Channel: call.Channel},
		IntentID: in.ID, Digest: in.Digest, Oldest: op.policy.Oldest(now), Now: now,
	})
	var suspended *face.SuspendedError
	if errors.As(err, &suspended) {
		call.AuditReason("face suspended", call.CustomerID)
		return Response{}, stepup.LockedUntil(face.ErrSuspended, &suspended.Until, now)
	}
	if err != nil {
		return Response{}, err
	}
	return Response{
		CheckID: made.ID, Nonce: made.Nonce, Actions: made.Actions, ExpiresAt: now.Add(face.Life).In(clock.Shanghai),
	}, nil
}
