// Package contractprepare stores the caller's application for fund transactions as an intent, and answers
// with the risk notice in force.
//
//	POST /function/identity-contract-prepare   session
//
// The app shows the notice to its end; identity-contract-open confirms it by its digest. Each combination
// has the signature of a certificate of the caller's (AUTH-021), over a text that names the notice. Nothing
// opens yet. Refusals: FUND_CONTRACT_OPEN; STEPUP_STRONGER, if the caller has no certificate here.
package contractprepare

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/contract"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-contract-prepare", Summary: "Apply for fund transactions: get the risk notice and an intent",
	Audience: fn.Customer, Audit: fn.AuditAuth, NoEvidence: "nothing changes before the confirmation",
	Refusals: []*bankerr.Error{contract.ErrOpen, stepup.ErrStronger, stepup.ErrUnbound},
	Keys:     []keys.Purpose{keys.Storage, keys.Pseudonym}, Requirements: []string{"AUTH-021", "RISK-005"},
}, wire)

// Config holds the age at which a reference photo is too old for a face check.
type Config struct{ Face face.Policy }

// Request has no fields.
type Request struct{}

// Response is the intent to confirm, and the notice.
type Response struct {
	IntentID     uuid.UUID `json:"intent_id" format:"uuid"`
	Function     string    `json:"function" doc:"The function that confirms it"`
	Text         string    `json:"text" doc:"Show it; the certificate's key signs exactly these bytes"`
	Digest       []byte    `json:"digest" doc:"SM3 of text"`
	Combinations []string  `json:"combinations" doc:"Each combination is enough, e.g. trade_password+soft_ukey"`
	Notice       string    `json:"notice" doc:"The risk notice in force; show it to its end before the customer can confirm it"`
	Version      string    `json:"notice_version"`
	NoticeDigest []byte    `json:"notice_digest" doc:"SM3 of notice: its confirmation"`
	ExpiresAt    time.Time `json:"expires_at"`
}

type operation struct {
	db    pg.Reader
	ring  *keys.Ring
	clock clock.Clock
	faces face.Policy
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.CommandOperation[Request, Response], error) {
	return operation{db: lent.DB, ring: lent.Keys, clock: lent.Clock, faces: config.Face}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, _ Request, unit *pg.Unit) (Response, error) {
	now := op.clock.Now()
	open, err := contract.Exists(ctx, op.db, call.CustomerID)
	if err != nil {
		return Response{}, err
	}
	if open {
		return Response{}, contract.ErrOpen
	}
	notice, err := contract.NoticeInForce(ctx, op.db, now)
	if err != nil {
		return Response{}, err
	}
	var means stepup.Means
	var batch pgx.Batch
	means.QueueMeans(&batch, op.ring, call.CustomerID, call.DeviceID, now, op.faces.Oldest(now))
	if err := op.db.Batch(ctx, &batch); err != nil {
		return Response{}, fmt.Errorf("state of the customer's proofs: %w", err)
	}
	combinations, err := means.Provable(stepup.ForChange(stepup.OpenContract), means.Key.Bound)
	if err != nil {
		return Response{}, err
	}
	return op.save(unit, call, notice, combinations)
}

func (op operation) save(unit *pg.Unit, call *fn.Call, notice contract.Notice, enough []stepup.Combination) (Response, error) {
	payload, err := json.Marshal(contract.Application{NoticeVersion: notice.Version})
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	now := op.clock.Now()
	in := stepup.Intent{
		ID: id, CustomerID: call.CustomerID, DeviceID: call.DeviceID, Operation: identity.ContractOpen, Payload: payload,
		Text: contract.ApplicationText(notice, id, now), Combinations: enough, CreatedAt: now,
		ExpiresAt: now.Add(contract.ApplicationLife),
	}
	if err := stepup.Save(unit, op.ring, in); err != nil {
		return Response{}, err
	}
	reply := Response{
		IntentID: id, Function: in.Operation, Text: in.Text, Digest: sm.Digest([]byte(in.Text)),
		Notice: notice.Text, Version: notice.Version, NoticeDigest: notice.Digest(), ExpiresAt: in.ExpiresAt.In(clock.Shanghai),
	}
	for _, c := range enough {
		reply.Combinations = append(reply.Combinations, c.String())
	}
	return reply, nil
}
