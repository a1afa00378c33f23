// Package facefinish ends a check of the customer's face with the capture of the app's SDK.
//
//	POST /function/identity-face-finish   session
//
// The capture is encrypted to the face engine, and the bank stores nothing of it. The check
// counts as failed before the engine is asked. It passes if the engine answers for this
// challenge, finds each action and the whole capture alive, and the face like the reference
// photo. A challenge takes one capture. Refusals: FACE_EXPIRED, for a challenge that is used,
// expired or of another session; FACE_REJECTED, with the tries that are left; FACE_SUSPENDED;
// FACE_REFERENCE_MISSING; SERVICE_UNAVAILABLE without an answer of the engine, which counts as
// no failure.
package facefinish

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-face-finish", Summary: "End a check of the customer's face with a capture", Audience: fn.Customer,
	CountsAttempts: true, Rate: fn.RateAuth, Audit: fn.AuditAuth, Timeout: 8 * time.Second,
	Refusals:     []*bankerr.Error{face.ErrExpired, face.ErrRejected, face.ErrSuspended, face.ErrReference},
	Requirements: []string{"BIO-001", "BIO-003", "BIO-004", "BIO-005", "BIO-006", "BIO-009", "BIO-010"},
}, wire)

// Config holds the engine, and the age at which a reference photo is too old.
type Config struct {
	Engine face.Config
	Face   face.Policy
}

// Request brings the capture.
type Request struct {
	CheckID uuid.UUID `json:"check_id" format:"uuid" doc:"Of the challenge"`
	Capture []byte    `json:"capture" minLength:"1" maxLength:"44000" doc:"Sealed to the face engine by its SDK (docs/face.md)"`
}

// Validate refuses a picture that is not sealed.
func (r Request) Validate() error {
	kind, _, _ := strings.Cut(http.DetectContentType(r.Capture), "/")
	if kind == "image" || kind == "video" {
		return fn.InvalidField("capture", "a picture that is not sealed to the face engine")
	}
	return nil
}

// Response confirms that the face has passed.
type Response struct {
	Passed bool `json:"passed"`
}

type operation struct {
	engine face.Engine
	clock  clock.Clock
	policy face.Policy
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.CommandOperation[Request, Response], error) {
	engine, err := face.New(config.Engine, lent.Clock, lent.Downstream(downstream.Face))
	if err != nil {
		return nil, err
	}
	return operation{engine: engine, clock: lent.Clock, policy: config.Face}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	now := op.clock.Now()
	try := face.Attempt{
		Caller: face.Caller{CustomerID: call.CustomerID, DeviceID: call.DeviceID, Channel: call.Channel},
		ID:     req.CheckID, Oldest: op.policy.Oldest(now), Now: now,
	}
	var counted pgx.Batch
	try.CountFace(&counted)
	if err := call.CountAttempts(ctx, &counted); err != nil {
		return Response{}, err
	}
	if err := refused(call, &try); err != nil {
		return Response{}, err
	}
	result, err := op.engine.Examine(ctx, try.Asked(req.Capture))
	fault := ""
	switch {
	case errors.Is(err, face.ErrUnreadable):
		fault = "face capture unreadable"
	case err != nil:
		return Response{}, unanswered(ctx, call, &try, err)
	default:
		fault = try.Fault(result)
	}
	if fault != "" {
		return Response{}, failed(ctx, call, &try, result, fault)
	}
	try.PassFace(unit, result)
	return Response{Passed: true}, nil
}

// refused returns the refusal of an attempt that is not counted.
func refused(call *fn.Call, try *face.Attempt) error {
	switch try.Verdict {
	case face.Open:
		return nil
	case face.Suspended:
		call.AuditReason("face suspended", call.CustomerID)
		return stepup.LockedUntil(face.ErrSuspended, try.Until, try.Now)
	case face.NoPhoto:
		return face.ErrReference
	case face.NotForThis:
	}
	call.AuditReason("face challenge not open", call.CustomerID)
	return face.ErrExpired
}

// unanswered gives the count back: the engine has told nothing about the face.
func unanswered(ctx context.Context, call *fn.Call, try *face.Attempt, cause error) error {
	var back pgx.Batch
	try.QueueFaceBack(&back)
	if err := call.CountAttempts(ctx, &back); err != nil {
		return err
	}
	if errors.Is(cause, face.ErrNoPhoto) {
		return face.ErrReference.Because(cause)
	}
	return bankerr.ErrUnavailable.Because(cause)
}

// failed settles the attempt and refuses the face.
func failed(ctx context.Context, call *fn.Call, try *face.Attempt, result face.Result, reason string) error {
	var end pgx.Batch
	try.QueueFaceEnd(&end, result)
	if err := call.CountAttempts(ctx, &end); err != nil {
		return err
	}
	call.AuditReason(reason, call.CustomerID)
	return face.ErrRejected.Because(&stepup.AttemptsError{TriesLeft: try.Left})
}
