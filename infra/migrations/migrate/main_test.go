package main

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// The jobs of a platform give the processes their rights, so that one command deploys
// the bank to an empty database. Otherwise an operator does it. The job before the first
// instance takes no right away: instances of the earlier release need it. The job after
// the last one does.
func TestMigrateMakesTheRoles(t *testing.T) {
	t.Parallel()
	db, url := pgtest.NewURL(t)
	role := roles.Name("account-detail")
	rights := func() int {
		return check.Count(t, db.Pool(), `SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = '`+role+`'`)
	}
	migrate := func(p string) int {
		t.Helper()
		c := config{DB: pg.Config{URL: url}, LockWait: time.Minute}
		check.Must(t, c.Roles.Decode(p))
		check.Must(t, c.migrate(t.Context()))
		return rights()
	}
	if n := migrate("none"); n != 0 {
		t.Errorf("with none: %d rights", n)
	}
	own := migrate("add")
	if own == 0 {
		t.Error("with add: no rights")
	}
	check.Exec(t, db.Pool(), "GRANT SELECT ON TABLE transfer TO "+role)
	check.Exec(t, db.Pool(), "GRANT EXECUTE ON FUNCTION otp_use TO PUBLIC")
	if n := migrate("add"); n != own+1 {
		t.Errorf("with add: %d rights, want its own %d and that of another release", n, own)
	}
	if n := check.Count(t, db.Pool(), `
SELECT count(*) FROM information_schema.role_routine_grants WHERE grantee = 'PUBLIC' AND routine_schema = 'public'`); n != 0 {
		t.Errorf("with add: everybody may run %d functions", n)
	}
	if n := migrate("exact"); n != own {
		t.Errorf("with exact: %d rights, want %d", n, own)
	}
	var p privileges
	if err := p.Decode("true"); err == nil {
		t.Error("MIGRATE_ROLES=true is taken")
	}
}
