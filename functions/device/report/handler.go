// Package report takes the app's report about the safety of its environment, and tells what
// the bank does about it.
//
//	POST /function/device-report   session
//
// The app sends it at each opening, for an order if the bank asks for fresh findings, and when
// the customer takes a screenshot. The report is stored with its session and, of a screenshot,
// its page. From then on it decides about the session's transfers, until the next report
// (shared/environment). A report of another session, or without a right signature of the
// device's bound key, is stored and counts as risky. Refusals: REPORT_REPLAYED, for a nonce
// that was used before; the session then counts as risky.
package report

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "device-report", Summary: "Report the safety of the app's environment", Audience: fn.Customer,
	CountsAttempts: true, Activity: session.Polls, Audit: fn.AuditAuth,
	Refusals:     []*bankerr.Error{environment.ErrReplayed},
	Requirements: []string{"DEVICE-005", "DEVICE-006", "DEVICE-007", "DEVICE-008"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct{ Apps environment.Config }

// Request holds the report.
type Request struct {
	Report environment.Report `json:"report"`
}

// Validate checks the form only.
func (r Request) Validate() error { return r.Report.CheckForm("report.") }

// Response tells what the bank does about the findings.
type Response struct{ environment.Judgement }

type operation struct {
	db    pg.Reader
	apps  environment.Apps
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.CommandOperation[Request, Response], error) {
	apps, err := environment.ParseApps(config.Apps)
	if err != nil {
		return nil, err
	}
	return operation{db: lent.DB, apps: apps, clock: lent.Clock}.do, nil
}

// do stores the report at once, as an attempt is counted: a repeated nonce is refused, and
// counts nevertheless.
func (op operation) do(ctx context.Context, call *fn.Call, req Request, _ *pg.Unit) (Response, error) {
	key, err := device.BoundKey(ctx, op.db, call.CustomerID, call.DeviceID)
	if err != nil {
		return Response{}, err
	}
	found := op.apps.Examine(&req.Report, call.Channel, key)
	in := environment.Session{
		CustomerID: call.CustomerID, DeviceID: call.DeviceID, Channel: call.Channel, Now: op.clock.Now(),
	}
	var batch pgx.Batch
	var replayed bool
	if err := environment.QueueReport(&batch, in, req.Report, found, func(again bool) { replayed = again }); err != nil {
		return Response{}, err
	}
	if err := call.CountAttempts(ctx, &batch); err != nil {
		return Response{}, err
	}
	if replayed {
		call.AuditReason(environment.Reason([]environment.Finding{environment.Replayed}), call.CustomerID)
		return Response{}, environment.ErrReplayed
	}
	call.AuditReason(environment.Reason(found), call.CustomerID)
	return Response{environment.Judge(found)}, nil
}
