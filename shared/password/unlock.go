package password

import (
	"errors"
	"time"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlLoginUnlock = `-- login.unlock
SELECT login_unlock($1, $2)`

// ErrNotLocked reports that a number's log-ins are neither locked nor frozen.
var ErrNotLocked = errors.New("nothing is locked")

// Unlock adds to the unit the statement that lifts the lock and the freeze of a
// number's log-ins; phone is the number's blind index. The commit fails with
// ErrNotLocked if the number is neither locked nor frozen. Only an authorised
// operator may unlock a number (AUTH-010).
func Unlock(unit *pg.Unit, phone []byte, now time.Time) {
	unit.Add(pg.Statement{
		SQL: sqlLoginUnlock, Args: []any{phone, now}, Refuse: map[string]error{"LOGIN_NOT_LOCKED": ErrNotLocked},
	})
}
