package password

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	sqlCardCountAttempt = `-- card.count_attempt
SELECT card_count_attempt($1, $2, $3)`

	sqlCardForget = `-- card_attempt.forget
DELETE FROM card_attempt WHERE subject = ANY ($1)`

	sqlCardPrune = `-- card_attempt.prune
DELETE FROM card_attempt WHERE subject IN (
    SELECT subject FROM card_attempt WHERE last_at < $2::timestamptz LIMIT $1)`
)

// CardAttempt is one attempt to sign up with a card's password. Count counts it as
// failed before the password is compared, and Succeeded forgets the failures.
//
// An attempt that came with the right code of the card holder's number counts against
// card and identity number. The policy bounds these over days (register.attempts_max in
// register.attempts_seconds). Every other attempt can't succeed and counts against
// number and origin only (shared/device), so that a stranger can't bar a customer from signing up.
type CardAttempt struct {
	Phone, IDNo, Card []byte        // blind indexes
	From              device.Origin // who applies
	Entitled          bool          // the right code, of the number on record
	Now               time.Time

	Allowed bool // set after the batch: too many attempts failed if it is false
}

func (a *CardAttempt) subjects() [][]byte {
	name := func(kind string, parts ...[]byte) []byte {
		return sm.Digest(append([][]byte{[]byte(kind), {0}}, parts...)...)
	}
	if a.Entitled {
		return [][]byte{name("card", a.Card), name("idno", a.IDNo)}
	}
	// These are two subjects too, so that the work does not tell the cases apart.
	origin := a.From.Digest()
	return [][]byte{name("device", a.Phone, origin), name("number", a.Phone, origin)}
}

// Count adds the statement that counts the attempt to the batch.
func (a *CardAttempt) Count(batch *pgx.Batch) {
	args := []any{a.subjects(), a.Now, clock.BusinessDay(a.Now)}
	batch.Queue(sqlCardCountAttempt, args...).QueryRow(func(row pgx.Row) error {
		return row.Scan(&a.Allowed)
	})
}

// Succeeded forgets the failures in the transaction of the sign-up.
func (a *CardAttempt) Succeeded(ctx context.Context, to pg.Writer) error {
	return to.Write(ctx, pg.Statement{SQL: sqlCardForget, Args: []any{a.subjects()}})
}
