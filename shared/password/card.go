package password

import (
	"context"
	"fmt"
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

	sqlCardBarred = `-- card_attempt.barred
SELECT EXISTS (
    SELECT FROM card_attempt WHERE subject = ANY ($1) AND policy_value('register.attempts_max', $3) <= (
        SELECT count(*) FROM unnest(failed) AS at
         WHERE at > $2::timestamptz - make_interval(secs => policy_value('register.attempts_seconds', $3))))`

	sqlCardPrune = `-- card_attempt.prune
DELETE FROM card_attempt WHERE subject IN (
    SELECT subject FROM card_attempt WHERE last_at < $2::timestamptz LIMIT $1)`
)

// CardAttempt is one attempt to sign up with a card's password. Count counts it as
// failed before the password is compared, and Succeeded forgets the failures.
//
// An attempt that came with the right code of the person's number counts against the
// identity number, and against the card if the person holds it. The policy bounds these
// over days (register.attempts_max in register.attempts_seconds). Every other attempt
// can't succeed and counts against number and origin only (shared/device). So nobody can
// bar another person, or another person's card, from signing up.
type CardAttempt struct {
	Phone, IDNo, Card []byte        // blind indexes
	From              device.Origin // who applies
	Entitled          bool          // the right code, of the number on record
	HoldsCard         bool          // the person holds the card
	Now               time.Time

	Allowed bool // set after the batch: too many attempts failed if it is false
}

// subject names what an attempt counts against.
func subject(kind string, parts ...[]byte) []byte {
	return sm.Digest(append([][]byte{[]byte(kind), {0}}, parts...)...)
}

func (a *CardAttempt) subjects() [][]byte {
	// There are always two subjects, so that the work does not tell the cases apart.
	origin := a.From.Digest()
	switch device, number := subject("device", a.Phone, origin), subject("number", a.Phone, origin); {
	case a.Entitled && a.HoldsCard:
		return [][]byte{subject("card", a.Card), subject("idno", a.IDNo)}
	case a.Entitled:
		return [][]byte{subject("idno", a.IDNo), number}
	default:
		return [][]byte{device, number}
	}
}

// CountCard adds the statement that counts the attempt to the batch.
func (a *CardAttempt) CountCard(batch *pgx.Batch) {
	args := []any{a.subjects(), a.Now, clock.BusinessDay(a.Now)}
	batch.Queue(sqlCardCountAttempt, args...).QueryRow(func(row pgx.Row) error {
		return row.Scan(&a.Allowed)
	})
}

// Succeeded forgets the failures in the transaction of the sign-up.
func (a *CardAttempt) Succeeded(ctx context.Context, to pg.Writer) error {
	return to.Write(ctx, pg.Statement{SQL: sqlCardForget, Args: []any{a.subjects()}})
}

// SignUpBar is what bars a person from signing up after too many failures: the person's
// identity number and cards, as blind indexes.
type SignUpBar struct {
	IDNo  []byte
	Cards [][]byte
}

func (b SignUpBar) subjects() [][]byte {
	list := [][]byte{subject("idno", b.IDNo)}
	for _, card := range b.Cards {
		list = append(list, subject("card", card))
	}
	return list
}

// Holds reports whether the person is barred now.
func (b SignUpBar) Holds(ctx context.Context, db pg.Reader, now time.Time) (barred bool, err error) {
	if err := db.QueryRow(ctx, sqlCardBarred, b.subjects(), now, clock.BusinessDay(now)).Scan(&barred); err != nil {
		return false, fmt.Errorf("bar of a sign-up: %w", err)
	}
	return barred, nil
}

// Lift adds to the unit the statement that forgets the failures. Only an authorised
// operator may lift the bar.
func (b SignUpBar) Lift(unit *pg.Unit) {
	unit.Add(pg.Statement{SQL: sqlCardForget, Args: []any{b.subjects()}})
}
