// Package parameterapprove puts a proposed figure in force.
//
//	POST /function/staff-parameter-approve   session of the staff, role parameters
//
// Another member than the proposer approves. The figure is in force from its day, but not earlier than
// today, and counts from the next call on that reads it. The request holds the old value that the approver has
// seen; if another is in force by then, nothing changes. The access record, which commits with the figure,
// holds both persons, the old value and the new one. Refusals: OBJECT_NOT_FOUND,
// PARAMETER_BELOW_FLOOR, PARAMETER_DECIDED, PARAMETER_MOVED, PARAMETER_OWN_APPROVAL.
package parameterapprove

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/parameter"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/staff"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "staff-parameter-approve", Summary: "Put a proposed figure in force", Audience: fn.Staff,
	Roles: []staff.Role{staff.Parameters}, Idempotent: true, Audit: fn.AuditAuth,
	Refusals: []*bankerr.Error{
		bankerr.ErrNotFound, parameter.ErrFloor, parameter.ErrDecided, parameter.ErrMoved, parameter.ErrOwn,
	},
	Requirements: []string{"PWD-009", "ADMIN-011"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the proposal, and the value that it replaces.
type Request struct {
	ChangeID uuid.UUID `json:"change_id" format:"uuid"`
	Old      int64     `json:"old" doc:"The value in force on the day of the change, as staff-parameter-list shows it"`
}

// Response is the figure that is in force from the day.
type Response struct {
	Name      string `json:"figure"`
	Old       int64  `json:"old"`
	Value     int64  `json:"value"`
	ValidFrom string `json:"valid_from" format:"date"`
}

type operation struct {
	db    pg.Reader
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{db: lent.DB, clock: lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	now := op.clock.Now()
	p, err := parameter.Get(ctx, op.db, req.ChangeID, now)
	if err != nil {
		return Response{}, err
	}
	figure, known := parameter.Find(p.Name)
	if !known { // a release has taken it from the list
		return Response{}, bankerr.ErrNotFound
	}
	if err := figure.Check(p.Value); err != nil {
		return Response{}, err
	}
	p.Old = req.Old // the commit refuses it if it is not in force
	from := p.ValidFrom.Format(time.DateOnly)
	call.Did(events.StaffAct{
		What: "approve " + p.Name, Old: parameter.Text(p.Old), New: parameter.Text(p.Value), From: from,
		By: call.Staff.LoginName, ProposedBy: p.ProposedBy,
	})
	reply := Response{Name: p.Name, Old: p.Old, Value: p.Value, ValidFrom: from}
	return reply, parameter.Approve(ctx, unit, p, call.StaffID, now)
}
