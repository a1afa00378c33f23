package token

import (
	"crypto/hmac"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

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
// token's clock from now on. The commit fails with refused if another request has used the pair
// first.
func (a *Attempt) Synchronise(unit *pg.Unit, refused error) {
	unit.Add(pg.Statement{
		Call: "token_synchronise", Args: []any{a.serial, a.drift, a.synced}, Refuse: map[string]error{"TOKEN_SYNCED": refused},
	})
}

// QueueFail is FailResponse in a batch.
func (a *Attempt) QueueFail(batch *pgx.Batch) {
	batch.Queue(sqlFail, a.failed()...).QueryRow(a.scanFailed)
}
