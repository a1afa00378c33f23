package otp

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// ErrTooOften refuses a code that comes too soon after the last for its purpose, or
// that is one too many for the number on that day.
var ErrTooOften = bankerr.New(bankerr.TooMany, "OTP_TOO_OFTEN").WithRetryAfter(time.Minute)

// Purposes of codes.
const (
	Register = "register"
	Login    = "login"
	Intent   = "intent"
)

const (
	// The one statement that counts an attempt at a code. A request from another
	// device, or of another customer, finds no challenge and counts nothing.
	sqlCountAttempt = `-- otp.count_attempt
UPDATE otp_challenge SET tries = tries + 1
 WHERE subject = $1 AND device_id = $2 AND ($3::uuid IS NULL OR customer_id = $3)
   AND tries < max_tries AND used_at IS NULL AND expires_at > $4
RETURNING nonce, binding, issued_at`

	sqlChallengePrune = `-- otp_challenge.prune
DELETE FROM otp_challenge WHERE subject IN (
    SELECT subject FROM otp_challenge WHERE expires_at < now() - $2::interval LIMIT $1)`

	sqlQuotaPrune = `-- otp_quota.prune
DELETE FROM otp_quota WHERE (phone_bidx, day) IN (
    SELECT phone_bidx, day FROM otp_quota WHERE day < (now() - $2::interval)::date LIMIT $1)`

	sqlTerms = `-- otp.terms
SELECT policy_value('otp.life_seconds', $1), policy_value('otp.resend_seconds', $1)`
)

// Challenge is a code that was asked for.
type Challenge struct {
	Subject    string
	Purpose    string
	Phone      []byte     // blind index of the number
	CustomerID *uuid.UUID // nil: nobody to send it to
	DeviceID   string     // that asked for it, and alone may try it
	Binding    []byte     // SM3 of what the code confirms
}

// PhoneSubject names the challenge of a purpose that a phone number stands for.
func PhoneSubject(purpose string, phone []byte) string {
	return purpose + ":" + hex.EncodeToString(phone)
}

// Issue adds a new code to the unit of work; the subject's earlier code is void.
func Issue(unit *pg.Unit, c Challenge, now time.Time) {
	unit.Add(pg.Statement{
		Call: "otp_issue",
		Args: []any{
			c.Subject, c.Purpose, c.Phone, c.CustomerID, c.DeviceID, NewNonce(), c.Binding, now, clock.BusinessDay(now),
		},
		Refuse: map[string]error{ErrTooOften.Code(): ErrTooOften},
	})
}

// Terms are the policy's figures that a customer is told.
type Terms struct {
	Life   time.Duration // a code's, from its issue (OTP-001)
	Resend time.Duration // from one code of a purpose to the next
}

// Retentions keep a code for a day after it has expired, and a number's count of codes
// for two days after its business day.
func Retentions() []pg.Retention {
	return []pg.Retention{
		{
			Table: "otp_challenge", Keep: 24 * time.Hour, SQL: sqlChallengePrune,
			Why: "An expired code opens nothing; the event that sends it is refused by its age.",
		},
		{
			Table: "otp_quota", Keep: 2 * 24 * time.Hour, SQL: sqlQuotaPrune,
			Why: "The count of a number is of one business day, and codes are 60 seconds apart.",
		},
	}
}

// ReadTerms reads the figures in force at a time.
func ReadTerms(ctx context.Context, db pg.Reader, at time.Time) (Terms, error) {
	var life, resend int64
	if err := db.QueryRow(ctx, sqlTerms, clock.BusinessDay(at)).Scan(&life, &resend); err != nil {
		return Terms{}, fmt.Errorf("otp terms: %w", err)
	}
	return Terms{Life: time.Duration(life) * time.Second, Resend: time.Duration(resend) * time.Second}, nil
}

// Attempt is one guess at a code. CountAttempt counts it, Right then says whether it
// was right, and Use makes the code single-use in the transaction of its effect.
// Binding and Code may be set after the count.
type Attempt struct {
	Subject    string
	DeviceID   string     // from which the guess comes
	CustomerID *uuid.UUID // who guesses; nil: nobody is known yet
	Binding    []byte
	Code       string

	nonce, binding []byte
	issuedAt       time.Time
}

// CountAttempt adds the count to a batch, which may be sent again: the last answer
// decides.
func (a *Attempt) CountAttempt(batch *pgx.Batch, now time.Time) {
	batch.Queue(sqlCountAttempt, a.Subject, a.DeviceID, a.CustomerID, now).QueryRow(func(row pgx.Row) error {
		a.nonce, a.binding, a.issuedAt = nil, nil, time.Time{}
		err := row.Scan(&a.nonce, &a.binding, &a.issuedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // void, used up, expired, or not of this device or customer
		}
		return err //nolint:wrapcheck // the batch's owner wraps it
	})
}

// Right reports whether the guess is the code; it does the same work either way.
func (a *Attempt) Right(ring *keys.Ring) bool {
	nonce := a.nonce
	if nonce == nil {
		nonce = make([]byte, 16)
	}
	want := Compute(ring, nonce, a.Binding, a.issuedAt)
	right := hmac.Equal([]byte(want), []byte(a.Code))
	return right && a.nonce != nil && hmac.Equal(a.binding, a.Binding)
}

// Use adds the code's use to a unit; refused is the answer to the loser of a
// race for it.
func (a *Attempt) Use(unit *pg.Unit, now time.Time, refused error) {
	unit.Add(pg.Statement{
		Call: "otp_use", Args: []any{a.Subject, a.nonce, now}, Refuse: map[string]error{"OTP_USED": refused},
	})
}

// Issued is a challenge as stored, for whoever sends the code.
type Issued struct {
	Purpose    string
	CustomerID *uuid.UUID
	ExpiresAt  time.Time

	nonce, binding []byte
	issuedAt       time.Time
}

// Life is how long the code is good, from its issue.
func (i Issued) Life() time.Duration { return i.ExpiresAt.Sub(i.issuedAt) }

// Code computes the code to send.
func (i Issued) Code(ring *keys.Ring) string { return Compute(ring, i.nonce, i.binding, i.issuedAt) }

// Scan reads a row of LoadSQL.
func (i *Issued) Scan(row pgx.Row) error {
	if err := row.Scan(&i.nonce, &i.binding, &i.issuedAt, &i.ExpiresAt, &i.Purpose, &i.CustomerID); err != nil {
		return fmt.Errorf("load challenge: %w", err)
	}
	return nil
}

// LoadSQL reads a subject's challenge.
const LoadSQL = `-- otp.load
SELECT nonce, binding, issued_at, expires_at, purpose, customer_id FROM otp_challenge WHERE subject = $1`
