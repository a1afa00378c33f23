package password

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	// The policy's figures of log-ins bound these guesses too: login.lock_after,
	// .lock_seconds and .freeze_after.
	sqlLoginCountProof = `-- login.count_proof
SELECT o_verdict, coalesce(o_stored, ''), coalesce(o_left, 0), o_until FROM login_count_proof($1, $2, $3, $4, $5, $6)`

	// No guess is counted while the number is locked or frozen. So without this guess, no
	// lock and no freeze holds.
	sqlLoginReleaseProof = `-- login.release_proof
UPDATE login_attempt SET failures = greatest(failures - 1, 0), day_failures = greatest(day_failures - 1, 0),
       locked_until = NULL, frozen = false
 WHERE phone_bidx = (SELECT phone_bidx FROM customer WHERE id = $1)`

	sqlLoginResetProofs = `-- login.reset_proofs
UPDATE login_attempt SET failures = 0, day_failures = 0, locked_until = NULL, frozen = false
 WHERE phone_bidx = (SELECT phone_bidx FROM customer WHERE id = $1)`
)

// LoginProof is one guess at the login password of a customer who is logged in, for an
// open intent. It counts together with the wrong passwords of log-ins with the number's
// code (PWD-006): CountProof counts the guess as failed, and CompareProof compares it.
// Then ResetProofs settles a right guess, and ReleaseProof one that was not compared.
type LoginProof struct {
	CustomerID uuid.UUID
	IntentID   uuid.UUID
	DeviceID   string
	Operation  string // the confirming function
	Now        time.Time

	// These fields are set after CountProof.
	Counted   bool
	LockEnded bool       // this is the first counted guess after a lock
	Left      int        // guesses that are left if this guess is wrong; 0: its failure locks or freezes
	Until     *time.Time // the end of the lock; nil: frozen, or not locked

	// Damaged is set by CompareProof: the bank can't read the stored password.
	Damaged bool

	stored string
}

// CountProof adds the statement that counts the guess to the batch. The batch may be sent
// again: the last answer decides.
func (p *LoginProof) CountProof(batch *pgx.Batch) {
	batch.Queue(sqlLoginCountProof, p.CustomerID, p.Now, clock.BusinessDay(p.Now), p.IntentID, p.DeviceID,
		p.Operation).QueryRow(func(row pgx.Row) error {
		var verdict string
		p.Counted, p.LockEnded, p.stored, p.Left, p.Until = false, false, "", 0, nil
		if err := row.Scan(&verdict, &p.stored, &p.Left, &p.Until); err != nil {
			return pg.Classify(fmt.Errorf("count login password proof: %w", err))
		}
		p.LockEnded = verdict == "reopened"
		p.Counted = p.LockEnded || verdict == "open"
		return nil
	})
}

// CompareProof reports whether a counted guess is right. A guess that is not counted is
// never right, and costs the same work. An error means that the bank can't compare now.
func (p *LoginProof) CompareProof(turn *Turn, guess []byte) (right bool, err error) {
	checked, err := turn.Check(OfLogin(p.CustomerID), p.stored, guess)
	p.Damaged = checked.Damaged
	return checked.Right, err
}

// ReleaseProof adds to the unit the statement that takes back a guess which was not
// compared.
func (p *LoginProof) ReleaseProof(unit *pg.Unit) {
	unit.Add(pg.Statement{SQL: sqlLoginReleaseProof, Args: []any{p.CustomerID}})
}

// ResetProofs adds to the unit the statement that settles a right guess: like a login, it
// sets the number's failures to zero.
func (p *LoginProof) ResetProofs(unit *pg.Unit) {
	unit.Add(pg.Statement{SQL: sqlLoginResetProofs, Args: []any{p.CustomerID}})
}
