package token

import (
	"crypto/hmac"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// A pair of codes is used once: the minute of its first code grows.
const sqlSynchronise = `-- token.synchronise
UPDATE token SET in_flight = greatest(in_flight - 1, 0), wrong_responses = 0, drift = $2, synced_step = $3
 WHERE serial = $1 AND synced_step < $3 RETURNING state`

// Successive reports whether a counted attempt that synchronises brings two successive codes
// of the token, later than those of the last synchronisation.
func (a *Attempt) Successive(ring *keys.Ring, first, second string) (right bool, err error) {
	seed, err := a.seed(ring)
	if err != nil {
		return false, err
	}
	drift := a.drift
	for off := -syncWindow; off <= syncWindow; off++ { // each costs the same, right or wrong
		at := a.Now.Add(time.Duration(drift+off) * Step)
		one := hmac.Equal([]byte(Response(a.algorithm, seed, at, "")), []byte(first))
		two := hmac.Equal([]byte(Response(a.algorithm, seed, at.Add(Step), "")), []byte(second))
		if one && two && step(at) > a.synced {
			right, a.synced, a.drift = true, step(at), drift+off+1 // the second code is of now
		}
	}
	return right && a.Counted() && !a.Damaged, nil
}

// Synchronise adds to the unit the statement that settles a right pair: the bank follows the
// token's clock from now on. The commit returns refused if another request has used the pair
// first.
func (a *Attempt) Synchronise(unit *pg.Unit, refused error) {
	unit.Add(pg.Statement{SQL: sqlSynchronise, Args: []any{a.serial, a.drift, a.synced}, Scan: func(row pgx.Row) error {
		var now State
		err := row.Scan(&now)
		if errors.Is(err, pgx.ErrNoRows) {
			return refused
		}
		return pg.Classify(err)
	}})
}

// QueueFail is FailResponse in a batch.
func (a *Attempt) QueueFail(batch *pgx.Batch) {
	batch.Queue(sqlFail, a.failed()...).QueryRow(a.scanFailed)
}
