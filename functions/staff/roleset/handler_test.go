package roleset_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/functions"
	staffparameterlist "github.com/tidebank/tidebank/functions/staff/parameterlist"
	staffroleset "github.com/tidebank/tidebank/functions/staff/roleset"
	"github.com/tidebank/tidebank/infra/gen/example"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/staff"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

func set(t *testing.T, d *bank.Device, name string, roles ...staff.Role) bank.Reply {
	t.Helper()
	request := map[string]any{"login_name": name, "roles": append([]staff.Role{}, roles...)}
	return d.Call(t, staffroleset.Function, uuid.NewString(), request)
}

func TestAnAdministratorDoesNoBusiness(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ADMIN-007.1")
	b := bank.New(t)
	admin := b.Console(t, b.Member(t, "admin", staff.Administrator))
	refused := 0
	for _, f := range functions.All() {
		if f.Spec.Audience != fn.Staff || f.Spec.DuringDuty || f.Spec.Name == staffroleset.Function.Spec.Name {
			continue
		}
		request, err := example.Of(f.Request)
		check.Must(t, err)
		got := admin.Call(t, f, uuid.NewString(), request)
		if got.Want(t, "STAFF_FORBIDDEN"); got.Status != http.StatusForbidden {
			t.Errorf("%s: status %d", f.Spec.Name, got.Status)
		}
		refused++
	}
	if refused < 3 {
		t.Fatalf("only %d functions for business were tried", refused)
	}
	if n := check.Value[int64](t, b.Host.DB.Pool(), "SELECT count(*) FROM parameter_change"); n != 0 {
		t.Errorf("%d proposals were stored", n)
	}
}

func TestBothRolesAreNeverInOneMember(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ADMIN-007.2")
	b := bank.New(t)
	admin := b.Console(t, b.Member(t, "admin", staff.Administrator))
	b.Member(t, "boss", staff.Administrator)
	b.Member(t, "wang.xm", staff.Parameters)
	for _, business := range staff.Business() {
		set(t, admin, "boss", staff.Administrator, business).Want(t, "STAFF_ROLES_APART")
		set(t, admin, "wang.xm", business, staff.Administrator).Want(t, "STAFF_ROLES_APART")
		_, err := b.Host.DB.Pool().Exec(t.Context(), "UPDATE staff SET roles = $1", []staff.Role{business, staff.Administrator})
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.ConstraintName != "staff_roles_apart" {
			t.Errorf("the database answers %v", err)
		}
	}
	set(t, admin, "wang.xm", staff.Administrator).Want(t, "") // in place of the role for business
}

// A role counts from the member's next call on. Nobody sets their own, and only administrators set any.
func TestARoleCountsAtOnce(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	admin, wang := b.Console(t, b.Member(t, "admin", staff.Administrator)), b.Console(t, b.Member(t, "wang.xm", staff.Risk))
	list := func() bank.Reply { return wang.Call(t, staffparameterlist.Function, "", struct{}{}) }
	list().Want(t, "STAFF_FORBIDDEN")
	set(t, admin, "wang.xm", staff.Risk, staff.Parameters).Want(t, "")
	list().Want(t, "")
	set(t, admin, "wang.xm").Want(t, "")
	list().Want(t, "STAFF_FORBIDDEN")
	set(t, wang, "admin").Want(t, "STAFF_FORBIDDEN")
	set(t, admin, "admin", staff.Parameters).Want(t, "STAFF_FORBIDDEN")
	set(t, admin, "nobody", staff.Parameters).Want(t, "OBJECT_NOT_FOUND")
	set(t, admin, "wang.xm", staff.Risk, staff.Risk).Want(t, "INPUT_INVALID")
	set(t, admin, "wang.xm", "root").Want(t, "INPUT_INVALID")
}
