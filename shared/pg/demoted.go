package pg

import (
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/clock"
)

// resetPause is the shortest time between two resets. A database that takes no changes for
// long, as during maintenance, must not make each change open all connections anew: its
// reads go on.
const resetPause = time.Second

// demotions notices that PostgreSQL takes no changes any more (SQLSTATE 25006): after a
// failover, a connection may lead to the former primary. The pool then drops all its
// connections, so that the next call connects anew and finds the new primary.
type demotions struct {
	reset func()
	mu    sync.Mutex
	last  time.Time
}

// notice takes the end of a query or batch. It ignores a transaction that only reads by the
// bank's own will (Reader): its server takes changes.
func (d *demotions) notice(conn *pgx.Conn, err error) {
	if !readOnly(err) || !takesNoChanges(conn) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := (clock.System{}).Now(); now.Sub(d.last) >= resetPause {
		d.last = now
		d.reset()
	}
}

// takesNoChanges reports what the server has said of itself.
func takesNoChanges(conn *pgx.Conn) bool {
	return conn.PgConn().ParameterStatus("in_hot_standby") == "on" ||
		conn.PgConn().ParameterStatus("default_transaction_read_only") == "on"
}
