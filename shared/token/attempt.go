package token

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlCount = `-- token.count_in_flight
SELECT o_verdict, coalesce(o_serial, ''), coalesce(o_algorithm, ''), o_seed, coalesce(o_drift, 0), coalesce(o_synced, 0),
       coalesce(o_left, 0), o_until
  FROM token_count_in_flight($1, $2, $3, $4)`

	sqlFail = `-- token.fail
SELECT coalesce(o_left, 0), o_until FROM token_fail($1, $2, $3)`

	sqlRelease = `-- token.release
UPDATE token SET in_flight = greatest(in_flight - 1, 0) WHERE serial = $1`

	sqlAccept = `-- token.accept
UPDATE token SET in_flight = greatest(in_flight - 1, 0), wrong_responses = 0, drift = $2 WHERE serial = $1`
)

// Verdict is the decision whether the bank compares a response.
type Verdict string

// The verdicts. Only the responses of the first two are counted.
const (
	Open     Verdict = "open"
	Reopened Verdict = "reopened" // this is the first response after a lock
	Wait     Verdict = "wait"     // responses in flight may reach the bound: try again when they are settled
	Locked   Verdict = "locked"
	NoToken  Verdict = "none" // no token in this state
)

// Attempt is one response to the challenge of an open intent, or one pair of codes that sets
// the token's clock. CountToken counts it as in flight, and Answers or Successive compares
// it. Then exactly one of FailResponse, ReleaseResponse, AcceptResponse and Synchronise settles
// it. A response in flight takes part in the bound, but it locks nothing before it has failed.
type Attempt struct {
	CustomerID uuid.UUID
	Binds      bool // the operation binds the token
	Syncs      bool // two codes set the token's clock
	Response   string
	Now        time.Time

	// These fields are set after CountToken.
	Verdict Verdict
	Left    int        // responses that are left if this one is wrong
	Until   *time.Time // the end of a lock, after CountToken or FailResponse; nil: not locked

	// Damaged is set by the comparison: the bank can't read the stored seed.
	Damaged bool

	serial    string
	algorithm Algorithm
	sealed    []byte
	drift     int    // steps that the token's clock is ahead
	synced    uint64 // step of the last synchronisation
}

// CountToken adds the statement that counts the response to the batch. The batch may be sent
// again: the last answer decides.
func (a *Attempt) CountToken(batch *pgx.Batch) {
	state := new(Active)
	switch {
	case a.Syncs:
		state = nil
	case a.Binds:
		state = new(Issued)
	}
	batch.Queue(sqlCount, a.CustomerID, state, a.Now, clock.BusinessDay(a.Now)).QueryRow(func(row pgx.Row) error {
		a.Verdict, a.sealed, a.Until = "", nil, nil
		err := row.Scan(&a.Verdict, &a.serial, &a.algorithm, &a.sealed, &a.drift, &a.synced, &a.Left, &a.Until)
		if err != nil {
			return pg.Classify(fmt.Errorf("count response of token: %w", err))
		}
		return nil
	})
}

// Counted reports whether the response is counted and must be settled.
func (a *Attempt) Counted() bool { return a.Verdict == Open || a.Verdict == Reopened }

// Answers reports whether a counted response answers the challenge. A response that is not
// counted never does, and costs the same work. An error means that the bank can't compare
// now.
func (a *Attempt) Answers(ring *keys.Ring, challenge string) (right bool, err error) {
	seed, err := a.seed(ring)
	if err != nil {
		return false, err
	}
	found := 0
	for _, off := range []int{-window, window, 0} { // the nearest last
		at := a.Now.Add(time.Duration(a.drift+off) * Step)
		if hmac.Equal([]byte(Response(a.algorithm, seed, at, challenge)), []byte(a.Response)) {
			right, found = true, off
		}
	}
	a.drift += found
	return right && a.Counted() && !a.Damaged, nil
}

// seed opens the seed of a counted response. The seed of any other is zero.
func (a *Attempt) seed(ring *keys.Ring) (seed [seedBytes]byte, err error) {
	if !a.Counted() {
		return seed, nil
	}
	clear, err := ring.Open(keys.Token, aad(a.serial), a.sealed)
	a.Damaged = errors.Is(err, keys.ErrOpen) || err == nil && len(clear) != seedBytes
	if err != nil && !a.Damaged {
		return seed, fmt.Errorf("open seed: %w", err)
	}
	copy(seed[:], clear)
	return seed, nil
}

// FailResponse adds to the unit the statement that makes the response a failure.
func (a *Attempt) FailResponse(unit *pg.Unit) {
	unit.Add(pg.Statement{SQL: sqlFail, Args: a.failed(), Scan: a.scanFailed})
}

func (a *Attempt) failed() []any { return []any{a.serial, a.Now, clock.BusinessDay(a.Now)} }

func (a *Attempt) scanFailed(row pgx.Row) error {
	if err := row.Scan(&a.Left, &a.Until); err != nil {
		return pg.Classify(fmt.Errorf("settle response of token: %w", err))
	}
	return nil
}

// ReleaseResponse adds to the unit the statement that takes back a response that was right, or was
// not compared.
func (a *Attempt) ReleaseResponse(unit *pg.Unit) {
	unit.Add(pg.Statement{SQL: sqlRelease, Args: []any{a.serial}})
}

// AcceptResponse adds to the unit the statement that settles a right response: the failures in a row
// start anew, and the bank follows the token's clock.
func (a *Attempt) AcceptResponse(unit *pg.Unit) {
	unit.Add(pg.Statement{SQL: sqlAccept, Args: []any{a.serial, a.drift}})
}
