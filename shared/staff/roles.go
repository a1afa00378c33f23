package staff

import (
	"context"
	"fmt"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlRolesOf = `-- staff.roles_of
SELECT roles FROM staff WHERE login_name = $1 AND active`
)

// RolesOf returns a member's roles; ErrNotFound if no member has the name.
func RolesOf(ctx context.Context, db pg.Reader, name string) (roles []Role, err error) {
	if err = pg.Optional(db.QueryRow(ctx, sqlRolesOf, name).Scan(&roles)); err != nil {
		return nil, pg.Classify(fmt.Errorf("roles of a member: %w", err))
	}
	if roles == nil {
		return nil, bankerr.ErrNotFound
	}
	return roles, nil
}

// AssignRoles adds to the unit the statement that replaces a member's roles. The commit refuses it with
// OBJECT_NOT_FOUND if the member no longer has the roles before, so that the access record is true, and with
// STAFF_ROLES_APART if the roles may not be in one member.
func AssignRoles(ctx context.Context, to pg.Writer, name string, before, roles []Role) error {
	return to.Write(ctx, pg.Statement{
		Call: "staff_assign_roles", Args: []any{name, before, roles},
		Refuse: map[string]error{bankerr.ErrNotFound.Code(): bankerr.ErrNotFound, "staff_roles_apart": ErrRolesApart},
	})
}
