package pgtest

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/pg"
)

// AwaitLock returns once a connection to the test's database waits for a lock.
func AwaitLock(t testing.TB, db *pg.DB) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		var waiting int
		err := db.Pool().QueryRow(t.Context(), `
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nothing waits for a lock")
		}
	}
}
