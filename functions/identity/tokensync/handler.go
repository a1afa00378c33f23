// Package tokensync sets the clock of the customer's dynamic token.
//
//	POST /function/identity-token-sync   session
//
// The customer sends two successive codes that the token shows without a challenge. The
// bank finds them up to twenty minutes before and after its own time, and follows the
// token's clock from then on. Each pair is good once. A wrong pair counts like a wrong
// response at a confirmation. The codes confirm no operation. Refusals: PROOF_REJECTED,
// TOKEN_LOCKED; OBJECT_NOT_FOUND, if the customer has no token; REQUEST_IN_PROGRESS, while
// responses in flight may lock the token.
package tokensync

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-token-sync", Summary: "Set the clock of a dynamic token by two successive codes", Audience: fn.Customer,
	CountsAttempts: true, Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Refusals: []*bankerr.Error{bankerr.ErrNotFound, stepup.ErrProofRejected, stepup.ErrTokenLocked},
	Keys:     []keys.Purpose{keys.Token}, Requirements: []string{"AUTH-016"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request holds the codes.
type Request struct {
	Code string `json:"code" minLength:"6" maxLength:"6" pattern:"^[0-9]{6}$" doc:"That the token showed first" example:"123456"`
	Next string `json:"next_code" minLength:"6" maxLength:"6" pattern:"^[0-9]{6}$" doc:"A minute later" example:"654321"`
}

// Response confirms that the bank follows the token's clock.
type Response struct {
	Synchronised bool `json:"synchronised"`
}

type operation struct {
	ring  *keys.Ring
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	try := token.Attempt{CustomerID: call.CustomerID, Syncs: true, Now: op.clock.Now()}
	var counted pgx.Batch
	try.CountToken(&counted)
	if err := call.CountAttempts(ctx, &counted); err != nil {
		return Response{}, err
	}
	switch {
	case try.Verdict == token.Wait:
		return Response{}, pg.ErrBusy
	case try.Verdict == token.Locked:
		call.AuditReason("token locked", call.CustomerID)
		return Response{}, stepup.LockedUntil(stepup.ErrTokenLocked, try.Until, try.Now)
	case !try.Counted():
		return Response{}, bankerr.ErrNotFound
	}
	right, err := try.Successive(op.ring, req.Code, req.Next)
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	if !right {
		return Response{}, failed(ctx, call, &try)
	}
	try.Synchronise(unit, stepup.ErrProofRejected)
	return Response{Synchronised: true}, nil
}

// failed settles a wrong pair and refuses it.
func failed(ctx context.Context, call *fn.Call, try *token.Attempt) error {
	var settled pgx.Batch
	try.QueueFail(&settled)
	if err := call.CountAttempts(ctx, &settled); err != nil {
		return err
	}
	reason, told := "token", stepup.AttemptsError{TriesLeft: try.Left}
	refusal := stepup.ErrProofRejected
	if try.Until != nil {
		reason, told.LockedUntil = "token, now locked", *try.Until
		refusal = refusal.WithRetryAfter(try.Until.Sub(try.Now))
	}
	call.AuditReason(reason, call.CustomerID)
	return refusal.Because(&told)
}
