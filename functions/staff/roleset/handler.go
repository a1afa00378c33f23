// Package roleset gives a member of the bank's staff other roles.
//
//	POST /function/staff-role-set   session of the staff, role administrator
//
// The roles take effect with the member's next call. The role administrator and a role for business are
// never in one member; the database refuses it too. Nobody changes their own roles. Refusals:
// OBJECT_NOT_FOUND, STAFF_FORBIDDEN, STAFF_ROLES_APART.
package roleset

import (
	"context"
	"slices"
	"strings"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/staff"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "staff-role-set", Summary: "Give a member of the staff other roles", Audience: fn.Staff,
	Roles: []staff.Role{staff.Administrator}, Idempotent: true, Audit: fn.AuditAuth,
	Refusals:     []*bankerr.Error{bankerr.ErrNotFound, staff.ErrRolesApart},
	Requirements: []string{"ADMIN-007"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the member and all roles that the member will have.
type Request struct {
	LoginName string       `json:"login_name" minLength:"3" maxLength:"32" pattern:"^[a-z][a-z0-9.-]{2,31}$" example:"wang.xm"`
	Roles     []staff.Role `json:"roles" maxItems:"4" nullable:"false" example:"[\"risk\"]" doc:"administrator, or any of parameters, risk, content"` //nolint:revive // a tag is one line
}

// Validate refuses unknown and repeated roles.
func (r Request) Validate() error {
	for i, role := range r.Roles {
		if !slices.Contains(staff.Roles(), role) || slices.Contains(r.Roles[:i], role) {
			return fn.InvalidField("roles", "unknown or repeated")
		}
	}
	return nil
}

// Response is the member with the roles.
type Response struct {
	LoginName string       `json:"login_name"`
	Roles     []staff.Role `json:"roles"`
}

type operation struct{ db pg.Reader }

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return operation{db: lent.DB}.do, nil
}

func (op operation) do(ctx context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
	if req.LoginName == call.Staff.LoginName {
		return Response{}, staff.ErrForbidden
	}
	if err := staff.CheckRoles(req.Roles); err != nil {
		return Response{}, err
	}
	before, err := staff.RolesOf(ctx, op.db, req.LoginName)
	if err != nil {
		return Response{}, err
	}
	call.Did(events.StaffAct{
		What: "roles of " + req.LoginName, Old: joined(before), New: joined(req.Roles), By: call.Staff.LoginName,
	})
	return Response(req), staff.AssignRoles(ctx, unit, req.LoginName, before, req.Roles)
}

func joined(roles []staff.Role) string {
	var names []string
	for _, r := range roles {
		names = append(names, string(r))
	}
	return strings.Join(names, ",")
}
