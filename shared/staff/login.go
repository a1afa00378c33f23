package staff

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	sqlCountAttempt = `-- staff.count_attempt
SELECT staff_count_attempt($1, $2, $3, $4)`

	sqlByName = `-- staff.by_name
SELECT s.id, s.usb_key, s.given_until, p.password, p.set_at, policy_value('staff.password.cycle_days', $2)
  FROM staff s JOIN LATERAL (SELECT password, set_at FROM staff_password WHERE staff_id = s.id ORDER BY set_at DESC LIMIT 1) p ON true
 WHERE s.login_name = $1 AND s.active`

	sqlProved = `-- staff.proved
SELECT staff_proved($1, $2, $3, $4, false, true)`

	sqlAttemptPrune = `-- staff_attempt.prune
DELETE FROM staff_attempt WHERE subject IN (
    SELECT subject FROM staff_attempt WHERE failed_at < $2::timestamptz AND (locked_until IS NULL OR locked_until < $2) LIMIT $1)`
)

// Verdict is the decision whether the bank compares the guess of an attempt.
type Verdict string

// The verdicts.
const (
	Counted Verdict = "open"   // the attempt is counted; the guess decides
	Last    Verdict = "last"   // the attempt is counted, and a wrong guess locks the name
	Locked  Verdict = "locked" // the attempt is not counted
)

// warnDays is how long before the end of a password's cycle a login warns.
const warnDays = 7

// Attempt is one guess at a member's password.
type Attempt struct {
	LoginName, Address string
	Now                time.Time

	// These fields are set after the batch.
	Verdict Verdict
	ID      uuid.UUID // zero if no member has the name
	Damaged bool      // set by Right: the bank can't read the stored password

	key    []byte
	until  *time.Time
	stored string
	setAt  time.Time
	cycle  int64 // days
}

// CountGuess adds to the batch the statements that count the attempt and read the password. It costs the
// same work for known and unknown names.
func (a *Attempt) CountGuess(batch *pgx.Batch) {
	day := clock.BusinessDay(a.Now)
	batch.Queue(sqlCountAttempt, a.LoginName, a.Address, a.Now, day).QueryRow(func(row pgx.Row) error {
		return row.Scan(&a.Verdict)
	})
	batch.Queue(sqlByName, a.LoginName, day).QueryRow(func(row pgx.Row) error {
		a.ID, a.key, a.until, a.stored = uuid.Nil, nil, nil, ""
		err := pg.Optional(row.Scan(&a.ID, &a.key, &a.until, &a.stored, &a.setAt, &a.cycle))
		a.cycle = min(a.cycle, MostCycleDays)
		return err
	})
}

// KeyText is what a member's USB key signs on a channel: the ASCII text "tidebank staff login v1", the
// channel's id and the login name, each preceded by its length in four bytes.
func KeyText(id channel.ID, loginName string) []byte {
	return channel.Join([]byte("tidebank staff login v1"), id[:], []byte(loginName))
}

// Right reports whether the guess is the member's password. It costs the same work if no member has
// the name.
func (a *Attempt) Right(turn *password.Turn, guess []byte) (bool, error) {
	checked, err := turn.Check(password.OfStaff(a.ID), a.stored, guess)
	a.Damaged = checked.Damaged
	return checked.Right && a.Verdict != Locked, err
}

// KeyHolds reports whether the member has no USB key, or the signature over the channel is by it.
func (a *Attempt) KeyHolds(id channel.ID, signature []byte) bool {
	if len(a.key) == 0 {
		return true
	}
	key, err := sm.ParsePublicKey(a.key)
	return err == nil && sm.Verify(key, KeyText(id, a.LoginName), signature) == nil
}

// Usable reports whether a password that the bank has given may still be used to log in.
func (a *Attempt) Usable() bool { return a.until == nil || a.Now.Before(*a.until) }

// Age is the password's age in business days.
func (a *Attempt) Age() int {
	return int(clock.BusinessDay(a.Now).Sub(clock.BusinessDay(a.setAt)) / (24 * time.Hour))
}

// Duty is what the member must do after this login: change a password that the bank has given, or one
// that is older than the cycle (PWD-014).
func (a *Attempt) Duty() session.Duty {
	if a.until != nil || int64(a.Age()) > a.cycle {
		return session.ChangeLogin
	}
	return session.NoDuty
}

// ChangeBy is the last day on which the password logs in without a duty. It is nil until a week before.
func (a *Attempt) ChangeBy() *time.Time {
	if int64(a.Age()) <= a.cycle-warnDays {
		return nil
	}
	day := clock.BusinessDay(a.setAt).AddDate(0, 0, int(a.cycle))
	return &day
}

// Proved adds to the unit the statement after a right guess. A commit returns the error stale if the password was
// replaced since it was compared, or is used up. At a login (logsIn) it takes the failures back and stores the time;
// another call has taken them back by QueueProved.
func (a *Attempt) Proved(ctx context.Context, to pg.Writer, logsIn bool, stale error) error {
	return to.Write(ctx, pg.Statement{
		Call: "staff_proved", Args: []any{a.ID, a.stored, a.Address, a.Now, logsIn, logsIn},
		Refuse: map[string]error{"STAFF_STALE": stale},
	})
}

// QueueProved adds to the batch the statement that takes the failures back, for a call that may be refused
// for another reason than the guess.
func (a *Attempt) QueueProved(batch *pgx.Batch) {
	batch.Queue(sqlProved, a.ID, a.stored, a.Address, a.Now)
}

// Retention keeps failures of a name or an address for 30 days after the last one.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "staff_attempt", Keep: 30 * 24 * time.Hour, SQL: sqlAttemptPrune,
		Why: "The name or the address had no attempt for 30 days.",
	}
}
