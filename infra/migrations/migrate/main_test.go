package main

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// The job of a platform gives the processes their rights, so that one command deploys
// the bank to an empty database. Otherwise an operator does it.
func TestMigrateMakesTheRoles(t *testing.T) {
	t.Parallel()
	db, url := pgtest.NewURL(t)
	c := config{DB: pg.Config{URL: url}, LockWait: time.Minute}
	rights := func() int {
		return check.Count(t, db.Pool(), `SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = '`+
			roles.Name("account-detail")+`'`)
	}
	check.Must(t, c.migrate(t.Context()))
	if n := rights(); n != 0 {
		t.Errorf("without MIGRATE_ROLES: %d rights", n)
	}
	c.Roles = true
	check.Must(t, c.migrate(t.Context()))
	if rights() == 0 {
		t.Error("with MIGRATE_ROLES: no rights")
	}
}
