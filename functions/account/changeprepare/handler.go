// Package changeprepare stores a change of the caller's accounts as an intent, and tells which proofs
// confirm it: lifting a loss report, a limit of the caller's own, and adding or removing an account of
// mobile banking.
//
//	POST /function/account-change-prepare   session
//
// Nothing changes yet. A limit that lowers each figure, and the removal of an account, take one factor;
// every other change takes two (AUTH-008). A limit above the bank's maximum for the verification
// method is refused whatever the proofs. A key of the device that is younger than a day confirms no
// change. Amounts are whole fen. Refusals: OBJECT_NOT_FOUND, also for another holder's account and for
// one that is added or removed already; ACCOUNT_NOT_LOST; LIMIT_EXCEEDED; DEVICE_UNBOUND;
// STEPUP_STRONGER, if the caller can prove none of the combinations.
package changeprepare

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/functions/account"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "account-change-prepare", Summary: "Prepare to lift a loss report, set an own limit, add or remove an account",
	Audience: fn.Customer, Audit: fn.AuditAuth, NoEvidence: "nothing changes before the confirmation",
	Refusals:     []*bankerr.Error{bankerr.ErrNotFound, ledger.ErrNotLost, limit.ErrExceeded, stepup.ErrUnbound, stepup.ErrStronger},
	Personal:     []string{"text"},
	Keys:         []keys.Purpose{keys.BlindIndex, keys.Storage, keys.Pseudonym},
	Requirements: []string{"ACCT-003", "ACCT-004", "ACCT-006"},
}, wire)

// Config holds the age at which a reference photo is too old for a face check.
type Config struct{ Face face.Policy }

// Request names the change.
type Request struct {
	Change      string         `json:"change" enum:"loss_lift,limit,account_add,account_remove" example:"limit"`
	AccountID   *uuid.UUID     `json:"account_id,omitempty" format:"uuid" doc:"For loss_lift and account_remove"`
	AccountNo   string         `json:"account_no,omitempty" maxLength:"32" doc:"For account_add"`
	Method      account.Method `json:"method,omitempty" enum:"sms,token,soft_ukey,phone_shield" example:"sms" doc:"For limit: a transfer's strongest factor"` //nolint:revive // a tag is one line
	PerTransfer money.Fen      `json:"per_transfer_fen,omitempty" minimum:"1" maximum:"100000000000000" example:"1000000" doc:"For limit"`
	PerDay      money.Fen      `json:"per_day_fen,omitempty" minimum:"1" maximum:"100000000000000" example:"2000000" doc:"For limit"`
}

// Validate checks that the request holds exactly what its change needs.
func (r Request) Validate() error {
	limits := r.Change == "limit"
	byID := r.Change == "loss_lift" || r.Change == "account_remove"
	switch {
	case byID != (r.AccountID != nil):
		return fn.InvalidField("account_id", "exactly for loss_lift and account_remove")
	case (r.Change == "account_add") != (r.AccountNo != ""):
		return fn.InvalidField("account_no", "exactly for account_add")
	case r.AccountNo != "" && !ledger.CardNumber(r.AccountNo):
		return fn.InvalidField("account_no", "not 12 to 19 digits")
	case limits != (r.Method != ""):
		return fn.InvalidField("method", "exactly for limit")
	case limits != (r.PerDay != 0):
		return fn.InvalidField("per_day_fen", "exactly for limit")
	case limits != (r.PerTransfer != 0) || r.PerTransfer > r.PerDay:
		return fn.InvalidField("per_transfer_fen", "exactly for limit, and not above per_day_fen")
	}
	return nil
}

// Response is the intent to confirm.
type Response struct {
	IntentID     uuid.UUID `json:"intent_id" format:"uuid"`
	Function     string    `json:"function" doc:"The function that confirms it"`
	Text         string    `json:"text" doc:"Show it; a device key signs exactly these bytes"`
	Digest       []byte    `json:"digest" doc:"SM3 of text"`
	Combinations []string  `json:"combinations" doc:"Each combination is enough, e.g. sms_otp+trade_password"`
	ExpiresAt    time.Time `json:"expires_at"`
}

type operation struct {
	store *account.Store
	rules *stepup.Table
	db    pg.Reader
	ring  *keys.Ring
	clock clock.Clock
	faces face.Policy
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.CommandOperation[Request, Response], error) {
	return operation{
		store: account.NewStore(lent.DB, lent.Keys), rules: stepup.NewTable(lent.DB, lent.Clock),
		db: lent.DB, ring: lent.Keys, clock: lent.Clock, faces: config.Face,
	}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	now := op.clock.Now()
	var means stepup.Means
	var usage limit.Usage
	var batch pgx.Batch
	means.QueueMeans(&batch, op.ring, call.CustomerID, call.DeviceID, now, op.faces.Oldest(now))
	if req.Method != "" {
		limit.QueueUsage(&batch, call.CustomerID, req.Method.Kind(), clock.BusinessDay(now), &usage)
	}
	if err := op.db.Batch(ctx, &batch); err != nil {
		return Response{}, fmt.Errorf("state of the customer's proofs: %w", err)
	}
	change, err := op.change(ctx, call.CustomerID, req, usage)
	if err != nil {
		return Response{}, err
	}
	combinations, err := means.Provable(stepup.ForChange(change.What), means.Key.Bound && !means.Key.Young)
	if err != nil {
		return Response{}, err
	}
	return op.save(unit, call, change, combinations)
}

// change is the change that the request asks for, if the customer may ask for it.
func (op operation) change(ctx context.Context, customer uuid.UUID, req Request, usage limit.Usage) (account.Change, error) {
	if req.Method != "" {
		return op.limits(ctx, req, usage)
	}
	var id uuid.UUID
	var index []byte
	if req.AccountID != nil {
		id = *req.AccountID
	} else {
		index = ledger.NumberIndex(op.ring, req.AccountNo)
	}
	held, err := op.store.Held(ctx, customer, id, index)
	if err != nil {
		return account.Change{}, err
	}
	change := account.Change{AccountID: held.ID, NumberMasked: held.NumberMasked}
	switch req.Change {
	case "loss_lift":
		change.What = stepup.LiftLoss
		if held.State != ledger.StateLost {
			return account.Change{}, ledger.ErrNotLost
		}
	case "account_add":
		change.What = stepup.AddAccount
		if held.Operable {
			return account.Change{}, bankerr.ErrNotFound
		}
	default:
		change.What = stepup.RemoveAccount
		if !held.Operable {
			return account.Change{}, bankerr.ErrNotFound
		}
	}
	return change, nil
}

func (op operation) limits(ctx context.Context, req Request, usage limit.Usage) (account.Change, error) {
	matrix, err := op.rules.Matrix(ctx)
	if err != nil {
		return account.Change{}, err
	}
	own, now := limit.Own{PerTransfer: req.PerTransfer, PerDay: req.PerDay}, account.NewLimits(matrix, req.Method, usage)
	if own.Raises(now.Bank) {
		return account.Change{}, limit.ErrExceeded
	}
	change := account.Change{What: stepup.LowerLimit, Method: req.Method, Own: own}
	if usage.Set() {
		change.Before = &usage.Own
	}
	if own.Raises(now.Force) {
		change.What = stepup.RaiseLimit
	}
	return change, nil
}

func (op operation) save(unit *pg.Unit, call *fn.Call, change account.Change, enough []stepup.Combination) (Response, error) {
	payload, err := json.Marshal(change)
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	now := op.clock.Now()
	in := stepup.Intent{
		ID: id, CustomerID: call.CustomerID, DeviceID: call.DeviceID, Operation: change.Function(), Payload: payload,
		Text: change.Text(id, now), Combinations: enough, CreatedAt: now, ExpiresAt: now.Add(account.ChangeLife),
	}
	if err := stepup.Save(unit, op.ring, in); err != nil {
		return Response{}, err
	}
	reply := Response{
		IntentID: id, Function: in.Operation, Text: in.Text, Digest: sm.Digest([]byte(in.Text)),
		ExpiresAt: in.ExpiresAt.In(clock.Shanghai),
	}
	for _, c := range enough {
		reply.Combinations = append(reply.Combinations, c.String())
	}
	return reply, nil
}
