// Package contractopen opens fund transactions for the caller.
//
//	POST /function/identity-contract-open   session, step-up
//
// The proofs hold the signature of a certificate of the caller's over the application; a code by SMS
// alone opens nothing (AUTH-021). The caller confirms the risk notice by its digest. It must be the notice
// in force now, and the one that the application names. The bank keeps its version with the
// contract, and the signature as evidence (AUTH-025). From then on, the caller pays others. Refusals:
// WARNING_UNACKNOWLEDGED, also for an earlier notice; FUND_CONTRACT_OPEN; those of the step-up.
package contractopen

import (
	"context"
	"time"

	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/contract"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/option"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: identity.ContractOpen, Summary: "Open fund transactions by a certificate", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Refusals: []*bankerr.Error{option.ErrUnacknowledged, contract.ErrOpen}, Requirements: []string{"AUTH-021", "RISK-005"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent, and holds the proofs and the confirmation of the notice.
type Request struct {
	stepup.Confirmation
	NoticeDigest []byte `json:"notice_digest" maxLength:"44" doc:"SM3 of the risk notice that the customer has read to its end"`
}

// Response is the contract as stored.
type Response struct {
	Open     bool      `json:"open"`
	Version  string    `json:"notice_version"`
	OpenedAt time.Time `json:"opened_at"`
}

type operation struct {
	db    pg.Reader
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.ConfirmOperation[contract.Application, Request, Response], error) {
	return operation{db: lent.DB, clock: lent.Clock}.do, nil
}

func (op operation) do(
	ctx context.Context, call *fn.Call, req Request, confirmed fn.Confirmed[contract.Application], unit *pg.Unit,
) (Response, error) {
	now := op.clock.Now().Truncate(time.Microsecond) // PostgreSQL stores microseconds
	notice, err := contract.NoticeInForce(ctx, op.db, now)
	if err != nil {
		return Response{}, err
	}
	if notice.Version != confirmed.Plan.NoticeVersion || !notice.Confirmed(req.NoticeDigest) {
		return Response{}, option.ErrUnacknowledged
	}
	contract.OpenSigned(unit, call.CustomerID, notice.Version, confirmed.IntentID, now)
	return Response{Open: true, Version: notice.Version, OpenedAt: now.In(clock.Shanghai)}, nil
}
