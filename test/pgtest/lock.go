package pgtest

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/pg"
)

// AwaitLocks returns when at least `least` connections to the test's database wait
// for a lock.
func AwaitLocks(t testing.TB, db *pg.DB, least int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	waiting := 0
	for {
		err := db.Pool().QueryRow(t.Context(), `
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting >= least {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d connections wait for a lock, want %d", waiting, least)
		}
	}
}
