// Package parameterpropose proposes another value of a figure of the bank.
//
//	POST /function/staff-parameter-propose   session of the staff, role parameters
//
// The value has no effect until another member approves it (staff-parameter-approve). A value outside
// the bounds in the code is refused, so no figure is weaker than the standard's floor. Refusals:
// PARAMETER_BELOW_FLOOR.
package parameterpropose

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
	Name: "staff-parameter-propose", Summary: "Propose another value of a figure", Audience: fn.Staff,
	Roles: []staff.Role{staff.Parameters}, Idempotent: true, Audit: fn.AuditAuth,
	Refusals:     []*bankerr.Error{parameter.ErrFloor},
	Requirements: []string{"PWD-009", "ADMIN-011"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the figure and its new value.
type Request struct {
	Name  string `json:"figure" minLength:"1" maxLength:"64" pattern:"^[a-z_.]+$" example:"staff.password.min_length"`
	Value int64  `json:"value" minimum:"0" maximum:"100000000000" example:"8"`
	// ValidFrom is the first day; without it, the day of the approval.
	ValidFrom string `json:"valid_from,omitempty" maxLength:"10" pattern:"^[0-9]{4}-[0-9]{2}-[0-9]{2}$" example:"2027-01-01" doc:"The first day; the day of the approval if it is later"` //nolint:revive // a tag is one line
}

// Validate checks the name and the day.
func (r Request) Validate() error {
	if _, known := parameter.Find(r.Name); !known {
		return fn.InvalidField("figure", "not a figure that the staff may change")
	}
	if _, err := time.Parse(time.DateOnly, r.ValidFrom); r.ValidFrom != "" && err != nil {
		return fn.InvalidField("valid_from", "not a day")
	}
	return nil
}

// Response is the proposal, and the figure that stays in force until it is approved.
type Response struct {
	ChangeID  uuid.UUID `json:"change_id" format:"uuid"`
	Value     int64     `json:"value"`
	Present   int64     `json:"present" doc:"In force now"`
	ValidFrom string    `json:"valid_from" format:"date"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{db: lent.DB, clock: lent.Clock}.do, nil
}

type operation struct {
	db    pg.Reader
	clock clock.Clock
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	figure, _ := parameter.Find(req.Name) // Validate knows it
	if err := figure.Check(req.Value); err != nil {
		return Response{}, err
	}
	now := op.clock.Now()
	id, err := uuid.NewV7()
	if err != nil {
		return Response{}, bankerr.ErrInternal.Because(err)
	}
	p := parameter.Proposal{ID: id, Name: req.Name, Value: req.Value, ValidFrom: clock.BusinessDay(now), ProposedAt: now}
	if day, err := time.Parse(time.DateOnly, req.ValidFrom); err == nil && day.After(p.ValidFrom) {
		p.ValidFrom = day
	}
	present, err := parameter.InForce(ctx, op.db, req.Name, clock.BusinessDay(now))
	if err != nil {
		return Response{}, err
	}
	from := p.ValidFrom.Format(time.DateOnly)
	call.Did(events.StaffAct{
		What: "propose " + p.Name, Old: parameter.Text(present), New: parameter.Text(p.Value), From: from, By: call.Staff.LoginName,
	})
	return Response{ChangeID: id, Value: p.Value, Present: present, ValidFrom: from}, parameter.Propose(ctx, unit, p, call.StaffID)
}
