// Package staff owns the tables staff, staff_password and staff_attempt: the members of the
// bank's staff who use its console, their roles and passwords.
//
// The role administrator manages members, and never stands together with a role for business: the
// database refuses both in one member. A password follows shared/password's rules for staff, with
// the figures of the table policy. The bank counts attempts by login name and by address, before it
// compares the guess. A member with a USB key proves it at each login. Times are instants; a
// password's age is in business days. Refusals: STAFF_FORBIDDEN, STAFF_LOGIN_FAILED,
// STAFF_ROLES_APART, PASSWORD_WEAK.
//
// Source: PWD-007, PWD-010, PWD-011, PWD-014, ADMIN-007.
package staff

import (
	"regexp"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
)

// Refusals.
var (
	ErrForbidden   = bankerr.New(bankerr.Forbidden, "STAFF_FORBIDDEN")
	ErrLoginFailed = bankerr.New(bankerr.Unauthenticated, "STAFF_LOGIN_FAILED")
	ErrRolesApart  = bankerr.New(bankerr.Refused, "STAFF_ROLES_APART")
)

// Role is what a member may do. The table's CHECK lists the same roles.
type Role string

// The roles.
const (
	Administrator Role = "administrator" // manages members and their roles, and does no business
	Parameters    Role = "parameters"    // proposes figures, and approves those of others
	Risk          Role = "risk"          // stops customers and functions, and enables them again
	Content       Role = "content"       // releases texts for the public
)

// Roles lists every role.
func Roles() []Role { return []Role{Administrator, Parameters, Risk, Content} }

// Business lists the roles that do business.
func Business() []Role {
	return slices.DeleteFunc(Roles(), func(r Role) bool { return r == Administrator })
}

// CheckRoles refuses roles that may not be in one member.
func CheckRoles(roles []Role) error {
	if slices.Contains(roles, Administrator) && slices.ContainsFunc(roles, func(r Role) bool { return r != Administrator }) {
		return ErrRolesApart
	}
	return nil
}

var loginName = regexp.MustCompile(`^[a-z][a-z0-9.-]{2,31}$`)

// ValidLoginName reports whether a member can have the login name.
func ValidLoginName(name string) bool { return loginName.MatchString(name) }

const sqlStanding = `-- staff.standing
SELECT active, login_name, roles FROM staff WHERE id = $1`

// Standing is what a member may do at the time of a call.
type Standing struct {
	Active    bool
	LoginName string
	Roles     []Role
}

// QueueStanding adds to the batch the query that reads it. A member whom the bank does not know is not active.
func (s *Standing) QueueStanding(batch *pgx.Batch, id uuid.UUID) {
	*s = Standing{}
	batch.Queue(sqlStanding, id).QueryRow(func(row pgx.Row) error {
		return pg.Optional(row.Scan(&s.Active, &s.LoginName, &s.Roles))
	})
}

// HasAny reports whether the member has one of the roles.
func (s Standing) HasAny(roles []Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(s.Roles, r) })
}
