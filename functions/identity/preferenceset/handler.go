// Package preferenceset stores which proofs the customer wants to give for transfers.
//
//	POST /function/identity-preference-set   session
//
// The choice is a combination of factors and an amount in fen. From then on, each transfer
// of at most this amount for which the choice is enough asks for exactly these factors. A
// choice must be enough for a payment of this amount to another holder; a later choice
// replaces it. A choice that is refused leaves the earlier one. Refusal: STEPUP_STRONGER,
// if the choice is weaker than the bank's minimum or the amount is above every cap.
package preferenceset

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-preference-set", Summary: "Choose the proofs of transfers", Audience: fn.Customer, Audit: fn.AuditAuth,
	Refusals:     []*bankerr.Error{stepup.ErrStronger},
	Requirements: []string{"AUTH-017"},
}, wire)

// Config holds the age at which a reference photo is too old for a face check.
type Config struct{ Face face.Policy }

// Request is the choice.
type Request struct {
	Combination string    `json:"combination" minLength:"1" maxLength:"120" doc:"Factors, joined by +" example:"sms_otp+trade_password"`
	Amount      money.Fen `json:"amount_fen" minimum:"1" maximum:"100000000000000" doc:"Transfers of at most this amount"`
}

// Validate checks that the bank offers the factors.
func (r Request) Validate() error {
	if !stepup.ParseCombination(r.Combination).Offered() {
		return fn.InvalidField("combination", "names a factor that the bank does not offer, or one twice")
	}
	return nil
}

// Response is the choice as stored.
type Response struct {
	Combination string    `json:"combination"`
	Amount      money.Fen `json:"amount_fen"`
}

type operation struct {
	rules *stepup.Table
	db    pg.Reader
	clock clock.Clock
	faces face.Policy
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.CommandOperation[Request, Response], error) {
	rules := stepup.NewTable(lent.DB, lent.Clock)
	return operation{rules: rules, db: lent.DB, clock: lent.Clock, faces: config.Face}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	matrix, err := op.rules.Matrix(ctx)
	if err != nil {
		return Response{}, err
	}
	now := op.clock.Now()
	var held token.State
	var photo bool
	var key device.State
	var ukeys cert.Held
	var batch pgx.Batch
	token.QueueToken(&batch, call.CustomerID, &held)
	device.QueueState(&batch, call.CustomerID, call.DeviceID, now, &key)
	face.QueuePhoto(&batch, call.CustomerID, op.faces.Oldest(now), &photo)
	cert.QueueHeld(&batch, call.CustomerID, call.DeviceID, now, &ukeys)
	if err := op.db.Batch(ctx, &batch); err != nil {
		return Response{}, fmt.Errorf("state of the customer's proofs: %w", err)
	}
	choice := stepup.ParseCombination(req.Combination)
	// The device may have no key: the choice holds for all devices of the customer.
	payment := stepup.Case{
		Operation: stepup.Transfer, Scene: stepup.ToOthers, Grade: risk.GradeNormal, Amount: req.Amount, Bound: true,
		Token: held == token.Active, Face: photo, Unlock: key.Unlock, UKeys: ukeys,
	}
	if err := matrix.Accepts(payment, choice); err != nil {
		return Response{}, err
	}
	stepup.Prefer(unit, call.CustomerID, stepup.Preference{Combination: choice, UpTo: req.Amount}, now)
	return Response{Combination: choice.String(), Amount: req.Amount}, nil
}
