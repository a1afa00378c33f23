package pgtest

import (
	"fmt"
	"testing"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

// AwaitLocks returns when at least `least` connections to the test's database wait
// for a lock.
func AwaitLocks(t testing.TB, db *pg.DB, least int) {
	t.Helper()
	check.Until(t, fmt.Sprintf("%d connections wait for a lock", least), func() bool {
		return check.Count(t, db.Pool(), `
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) >= least
	})
}
