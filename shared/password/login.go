package password

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
)

const (
	sqlLoginCountAttempt = `-- login.count_attempt
SELECT login_count_attempt($1, $2, $3, $4, $5, $6)`

	sqlLoginResetAttempts = `-- login.reset_attempts
UPDATE login_attempt SET failures = 0, day_failures = 0, locked_until = NULL, frozen = false
 WHERE phone_bidx = login_number($1)`

	sqlOriginSuspect = `-- login_origin.suspect
SELECT EXISTS (SELECT FROM login_origin WHERE phone_bidx = $1 AND origin = $2 AND (locked_until > $3 OR locked_until IS NULL)
   AND failures >= policy_value('login.captcha_after', $4))`

	sqlOriginForget = `-- login_origin.forget
DELETE FROM login_origin WHERE phone_bidx = $1 AND origin = $2`

	sqlOriginPrune = `-- login_origin.prune
DELETE FROM login_origin WHERE (phone_bidx, origin) IN (
    SELECT phone_bidx, origin FROM login_origin
     WHERE failed_at < $2::timestamptz AND (locked_until IS NULL OR locked_until < $2) LIMIT $1)`

	sqlLoginPrune = `-- login_attempt.prune
DELETE FROM login_attempt WHERE phone_bidx IN (
    SELECT phone_bidx FROM login_attempt
     WHERE day < ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date
       AND NOT frozen AND (locked_until IS NULL OR locked_until < $2) LIMIT $1)`

	sqlByPhone = `-- credential.by_phone
SELECT c.id, k.login_password, k.login_given, k.login_until, k.last_login_at, k.last_login_device, k.last_login_verified, k.last_login_place
  FROM customer c JOIN credential k ON k.customer_id = c.id
 WHERE c.phone_bidx = $1 OR c.alias_bidx = $1`

	sqlLastByName = `-- credential.last_by_name
SELECT k.login_given, k.last_login_at, k.last_login_device, k.last_login_verified, k.last_login_place
  FROM customer c JOIN credential k ON k.customer_id = c.id
 WHERE c.phone_bidx = $1 OR c.alias_bidx = $1`

	sqlPreviousLogin = `-- credential.previous_login
SELECT previous_login_at, previous_login_device, previous_login_verified, previous_login_place FROM credential WHERE customer_id = $1`
)

// Verdict is the decision whether the bank compares the guess of an attempt.
type Verdict string

// The verdicts.
const (
	Counted Verdict = "open"    // the attempt is counted; the guess decides
	Last    Verdict = "last"    // the attempt is counted, and a wrong guess locks the number or the device
	Captcha Verdict = "captcha" // the attempt is not counted: the customer must solve a graphic code first
	Locked  Verdict = "locked"  // the attempt is not counted
)

// LastLogin is the login before the current one. At and Device are nil in the first
// session.
type LastLogin struct {
	At       *time.Time
	Device   *string
	Verified bool   // the device proved its bound key; otherwise it only claimed its id
	Place    string // of its address (shared/place)
}

// PlaceName returns the place for a reply; nil in the first session.
func (l LastLogin) PlaceName() *string {
	if l.At == nil {
		return nil
	}
	return &l.Place
}

// LoginAttempt is one guess at a login password. CountLogin counts the attempt, Check
// compares the guess, and Succeeded resets the count in the transaction of the login.
//
// An attempt counts against the name that it gives and the origin together: whoever only claims the id
// of a customer's device has another origin than the device. With the number's
// right code it also counts against the number. So a stranger, who does not get the
// code, can't lock the number.
type LoginAttempt struct {
	Phone     []byte        // blind index of the name: of the number, or of the alias
	From      device.Origin // who guesses
	RightCode bool          // the attempt came with the number's one-time code
	Captcha   bool          // the customer has solved a graphic code
	Now       time.Time
	Place     string // of the caller's address (shared/place)

	// These fields are set after the batch.
	Verdict    Verdict
	LockEnded  bool      // this is the first counted attempt after a lock
	CustomerID uuid.UUID // zero if no customer with this number has signed up
	LastLogin  LastLogin

	// Damaged is set by Check: the bank can't read the stored password.
	Damaged bool

	stored   string
	given    bool       // the bank has given the password
	until    *time.Time // a temporary password is good once, before
	compared compared
}

// Duty is what the customer must do after this login: change a password that the bank has given
// (PWD-004), and one of digits only, which only the counter can have set (PWD-016).
func (a *LoginAttempt) Duty() session.Duty {
	if a.given || !bytes.ContainsFunc(a.compared.guess, func(r rune) bool { return !isDigit(r) }) {
		return session.ChangeLogin
	}
	return session.NoDuty
}

// Elsewhere reports whether the customer's last login was on another device.
func (a *LoginAttempt) Elsewhere() bool {
	return a.LastLogin.Device != nil && *a.LastLogin.Device != a.From.DeviceID
}

// Suspect reports whether the origin has failed so often with the number that the
// attempt needs a graphic code. It counts nothing: ask it before anything is counted.
func (a *LoginAttempt) Suspect(ctx context.Context, db pg.Reader) (suspect bool, err error) {
	if a.Captcha {
		return false, nil
	}
	err = db.QueryRow(ctx, sqlOriginSuspect, a.Phone, a.From.Digest(), a.Now, clock.BusinessDay(a.Now)).Scan(&suspect)
	if err != nil {
		return false, pg.Classify(fmt.Errorf("failures of an origin: %w", err))
	}
	return suspect, nil
}

// CountLogin adds the statement that counts the attempt and reads the password to the
// batch. It costs the same work for known and unknown numbers.
func (a *LoginAttempt) CountLogin(batch *pgx.Batch) {
	args := []any{a.Phone, a.From.Digest(), a.RightCode, a.Captcha, a.Now, clock.BusinessDay(a.Now)}
	batch.Queue(sqlLoginCountAttempt, args...).QueryRow(
		func(row pgx.Row) error {
			var answer string
			if err := row.Scan(&answer); err != nil {
				return err //nolint:wrapcheck // the batch names the statement
			}
			verdict, ended := strings.CutPrefix(answer, "reopened ")
			a.Verdict, a.LockEnded = Verdict(verdict), ended
			return nil
		})
	batch.Queue(sqlByPhone, a.Phone).QueryRow(func(row pgx.Row) error {
		a.CustomerID, a.stored, a.given, a.until, a.LastLogin = uuid.Nil, "", false, nil, LastLogin{}
		return pg.Optional(row.Scan(&a.CustomerID, &a.stored, &a.given, &a.until, &a.LastLogin.At, &a.LastLogin.Device,
			&a.LastLogin.Verified, &a.LastLogin.Place))
	})
}

// Check reports whether the guess is the customer's password, and is still good if that is temporary. It costs the same work if
// no customer has the number. An error means that the bank can't compare now.
func (a *LoginAttempt) Check(turn *Turn, guess []byte) (right bool, err error) {
	checked, err := turn.Check(OfLogin(a.CustomerID), a.stored, guess)
	a.compared, a.Damaged = compared{a.stored, guess, checked}, checked.Damaged
	return checked.Right && (a.until == nil || a.Now.Before(*a.until)), err
}

// Succeeded resets the counts of failures and stores the login as the customer's last
// login. verified tells whether the device proved its bound key. The error stale refuses a
// login whose password was replaced since it was compared, or is temporary and used up. The commit refuses a login with
// device.ErrLocked if the customer has locked the log-in to another device. It stores a
// password anew whose stored text is out of date.
func (a *LoginAttempt) Succeeded(ctx context.Context, turn *Turn, to pg.Writer, verified bool, stale error) error {
	if err := a.ResetFailures(ctx, to); err != nil {
		return err
	}
	err := to.Write(ctx, pg.Statement{
		Call: "login_succeed", Args: []any{a.CustomerID, a.stored, a.Now, a.From.DeviceID, verified, a.Place},
		Refuse: map[string]error{"LOGIN_STALE": stale, device.ErrLocked.Code(): device.ErrLocked},
	})
	if err != nil {
		return err
	}
	if a.until != nil {
		err := to.Write(ctx, pg.Statement{
			Call: "login_use_temporary", Args: []any{a.CustomerID, a.Now}, Refuse: map[string]error{"LOGIN_STALE": stale},
		})
		if err != nil {
			return err
		}
	}
	return turn.rehash(ctx, to, sqlRehashLogin, OfLogin(a.CustomerID), a.compared)
}

// ResetFailures resets the counts of the number's and the origin's failures.
func (a *LoginAttempt) ResetFailures(ctx context.Context, to pg.Writer) error {
	if err := to.Write(ctx, pg.Statement{SQL: sqlLoginResetAttempts, Args: []any{a.Phone}}); err != nil {
		return err
	}
	return to.Write(ctx, pg.Statement{SQL: sqlOriginForget, Args: []any{a.Phone, a.From.Digest()}})
}

// Login is a login whose factors are right.
type Login struct {
	CustomerID uuid.UUID
	DeviceID   string
	Verified   bool // the device has proved its bound key
	At         time.Time
	Place      string // of the caller's address (shared/place)
}

// RecordLogin stores a login without password as the customer's last login. The commit refuses
// it with device.ErrLocked if the customer has locked the log-in to another device.
func RecordLogin(ctx context.Context, to pg.Writer, l Login) error {
	return to.Write(ctx, pg.Statement{
		Call: "login_record", Args: []any{l.CustomerID, l.At, l.DeviceID, l.Verified, l.Place},
		Refuse: map[string]error{device.ErrLocked.Code(): device.ErrLocked},
	})
}

// QueueLastOf adds to the batch the query that reads, at a login without password, the last login of
// the customer with the name (a blind index), and the duty after it. It costs the same work for
// unknown names.
func (l *LastLogin) QueueLastOf(batch *pgx.Batch, name []byte, duty *session.Duty) {
	*l, *duty = LastLogin{}, session.NoDuty
	batch.Queue(sqlLastByName, name).QueryRow(func(row pgx.Row) error {
		given := false
		err := pg.Optional(row.Scan(&given, &l.At, &l.Device, &l.Verified, &l.Place))
		if given {
			*duty = session.ChangeLogin
		}
		return err
	})
}

// QueueLast adds the query that reads, in a session, the login before the session's own to
// the batch. At and Device are nil if the customer has not signed up.
func (l *LastLogin) QueueLast(batch *pgx.Batch, customer uuid.UUID) {
	*l = LastLogin{}
	batch.Queue(sqlPreviousLogin, customer).QueryRow(func(row pgx.Row) error {
		return pg.Optional(row.Scan(&l.At, &l.Device, &l.Verified, &l.Place))
	})
}

// Retentions keep a number's log-in failures and failed sign-ups for 30 days after the
// last attempt, and a device's for two days. They keep a frozen number for ever.
func Retentions() []pg.Retention {
	return []pg.Retention{
		{
			Table: "login_attempt", Keep: 30 * 24 * time.Hour, SQL: sqlLoginPrune,
			Why: "The number had no attempt for 30 days; a frozen number stays.",
		},
		{
			Table: "login_origin", Keep: 2 * 24 * time.Hour, SQL: sqlOriginPrune,
			Why: "The origin had no failure with the number for two days; the number's own count stays.",
		},
		{
			Table: "card_attempt", Keep: 30 * 24 * time.Hour, SQL: sqlCardPrune,
			Why: "Failed sign-ups count for a week.",
		},
	}
}
