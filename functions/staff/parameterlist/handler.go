// Package parameterlist lists the figures that the staff may change, and the proposals that wait.
//
//	POST /function/staff-parameter-list   session of the staff, role parameters
//
// It shows the newest 50 waiting proposals.
package parameterlist

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/parameter"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/staff"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "staff-parameter-list", Summary: "List the figures and the proposals that wait", Audience: fn.Staff,
	Roles: []staff.Role{staff.Parameters}, Audit: fn.AuditAuth,
	Requirements: []string{"PWD-009"},
}, wire)

// mostWaiting bounds the list.
const mostWaiting = 50

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Figure is a figure in force, with its bounds.
type Figure struct {
	Name  string `json:"figure"`
	Title string `json:"label"`
	Unit  string `json:"unit"`
	Value int64  `json:"value"`
	Least int64  `json:"least"`
	Most  int64  `json:"most"`
}

// Waiting is a proposal that waits for approval.
type Waiting struct {
	ChangeID   uuid.UUID `json:"change_id" format:"uuid"`
	Name       string    `json:"figure"`
	Old        int64     `json:"old" doc:"In force on the day of the change; an approval names it"`
	Value      int64     `json:"value"`
	ValidFrom  string    `json:"valid_from" format:"date"`
	ProposedBy string    `json:"proposed_by"`
	ProposedAt time.Time `json:"proposed_at"`
}

// Response holds both lists.
type Response struct {
	Figures []Figure  `json:"figures"`
	Waiting []Waiting `json:"waiting" doc:"The newest first"`
}

type operation struct {
	db    pg.Reader
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return operation{db: lent.DB, clock: lent.Clock}.do, nil
}

func (op operation) do(ctx context.Context, _ *fn.Call, _ Request) (Response, error) {
	today := clock.BusinessDay(op.clock.Now())
	values, err := parameter.AllInForce(ctx, op.db, today)
	if err != nil {
		return Response{}, err
	}
	reply := Response{Waiting: []Waiting{}}
	for _, p := range parameter.All() {
		reply.Figures = append(reply.Figures, Figure{
			Name: p.Name, Title: p.Title, Unit: p.Unit, Value: values[p.Name], Least: p.Least, Most: p.Most,
		})
	}
	proposals, err := parameter.Waiting(ctx, op.db, today, mostWaiting)
	if err != nil {
		return Response{}, err
	}
	for _, p := range proposals {
		reply.Waiting = append(reply.Waiting, Waiting{
			ChangeID: p.ID, Name: p.Name, Old: p.Old, Value: p.Value, ValidFrom: p.ValidFrom.Format(time.DateOnly),
			ProposedBy: p.ProposedBy, ProposedAt: *clock.Local(&p.ProposedAt),
		})
	}
	return reply, nil
}
