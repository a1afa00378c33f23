// Package limitget shows the caller's limits of transfers, by verification method.
//
//	POST /function/account-limit-get   session
//
// A transfer counts by its strongest factor. For each method the reply holds the limits in force, the
// bank's maximum, and what is used of this day's sum. Amounts are fen.
package limitget

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/functions/account"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "account-limit-get", Summary: "Show the limits of transfers", Audience: fn.Customer,
	Requirements: []string{"ACCT-006"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Limit is the limit of one method.
type Limit struct {
	Method          account.Method `json:"method" enum:"sms,token,soft_ukey,phone_shield"`
	PerTransfer     money.Fen      `json:"per_transfer_fen" doc:"In force: the lower of the bank's and the own limit"`
	PerDay          money.Fen      `json:"per_day_fen"`
	BankPerTransfer money.Fen      `json:"bank_per_transfer_fen" doc:"The bank's maximum"`
	BankPerDay      money.Fen      `json:"bank_per_day_fen"`
	Used            money.Fen      `json:"used_fen" doc:"Of this day"`
	Own             bool           `json:"own" doc:"The caller has set a limit"`
}

// Response lists the limits.
type Response struct {
	Limits []Limit `json:"limits"`
}

type operation struct {
	rules *stepup.Table
	db    pg.Reader
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return operation{rules: stepup.NewTable(lent.DB, lent.Clock), db: lent.DB, clock: lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, _ Request) (Response, error) {
	matrix, err := op.rules.Matrix(ctx)
	if err != nil {
		return Response{}, err
	}
	methods := account.Methods()
	used := make([]limit.Usage, len(methods))
	var batch pgx.Batch
	for i, m := range methods {
		limit.QueueUsage(&batch, call.CustomerID, m.Kind(), clock.BusinessDay(op.clock.Now()), &used[i])
	}
	if err := op.db.Batch(ctx, &batch); err != nil {
		return Response{}, fmt.Errorf("limits: %w", err)
	}
	reply := Response{Limits: []Limit{}}
	for i, m := range methods {
		l := account.NewLimits(matrix, m, used[i])
		reply.Limits = append(reply.Limits, Limit{
			Method: m, PerTransfer: l.Force.PerTransfer, PerDay: l.Force.PerDay, BankPerTransfer: l.Bank.PerTransfer,
			BankPerDay: l.Bank.PerDay, Used: l.Used, Own: l.Own,
		})
	}
	return reply, nil
}
