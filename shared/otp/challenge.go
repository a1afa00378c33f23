package otp

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// ErrTooOften refuses a code that comes too soon after the last code of its quota, or
// above the quota's maximum of 24 hours. It carries the time to wait.
var ErrTooOften = bankerr.New(bankerr.TooMany, "OTP_TOO_OFTEN").WithRetryAfter(time.Minute)

// The purposes of codes.
const (
	Register  = "register"
	Login     = "login"
	Forgotten = "reset" // of a forgotten login password
	Intent    = "intent"
	NewPhone  = "phone" // to the number that a prepared change names
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
    SELECT subject FROM otp_challenge WHERE expires_at < $2::timestamptz LIMIT $1)`

	sqlQuotaPrune = `-- otp_quota.prune
DELETE FROM otp_quota WHERE quota IN (SELECT quota FROM otp_quota WHERE last_at < $2::timestamptz LIMIT $1)`

	sqlTerms = `-- otp.terms
SELECT policy_value('otp.life_seconds', $1), policy_value('otp.resend_seconds', $1)`
)

// Challenge is a request for a code.
type Challenge struct {
	Subject    string
	Purpose    string
	Phone      []byte     // blind index of the customer's number, or of the alias that asked
	CustomerID *uuid.UUID // the customer who gets the code; nil: no customer gets it
	DeviceID   string     // the device that asked for the code; only this device may try it
	Binding    []byte     // SM3 of the text that the code confirms
	Quotas     []Quota    // the quotas that the code counts in
}

// PhoneSubject returns the subject of a challenge before login: one for each purpose,
// number and origin (its digest, shared/device). So a code that another device asks for
// voids no code, even if it claims the same device id.
func PhoneSubject(purpose string, phone, origin []byte) string {
	return purpose + ":" + hex.EncodeToString(sm.Digest(phone, []byte{0}, origin))
}

// Issue adds a new code to the unit of work. The new code voids the subject's earlier
// code.
func Issue(unit *pg.Unit, c Challenge, now time.Time) {
	quotas, maxima := make([][]byte, 0, len(c.Quotas)), make([]string, 0, len(c.Quotas))
	for _, q := range c.Quotas {
		quotas, maxima = append(quotas, q.digest(c)), append(maxima, q.maximum)
	}
	unit.Add(pg.Statement{
		Call: "otp_issue",
		Args: []any{
			c.Subject, c.Purpose, c.Phone, c.CustomerID, c.DeviceID, NewNonce(), c.Binding, quotas, maxima, now,
			clock.BusinessDay(now),
		},
		Refuse: map[string]error{ErrTooOften.Code(): ErrTooOften},
	})
}

// Terms are the policy's figures that the bank tells a customer.
type Terms struct {
	Life   time.Duration // lifetime of a code, from its issue (OTP-001)
	Resend time.Duration // pause between two codes of a purpose
}

// Retentions keep a challenge for a day after it has expired. They keep a quota for two
// days after its last code.
func Retentions() []pg.Retention {
	return []pg.Retention{
		{
			Table: "otp_challenge", Keep: 24 * time.Hour, SQL: sqlChallengePrune,
			Why: "An expired code is refused, and its event sends no text.",
		},
		{
			Table: "otp_quota", Keep: 2 * 24 * time.Hour, SQL: sqlQuotaPrune,
			Why: "A quota counts the codes of 24 hours.",
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

// Attempt is one guess at a code. CountAttempt counts the attempt, Right then
// compares the guess, and Use uses the code up in the transaction of its effect. The
// caller may set Binding and Code after the count.
type Attempt struct {
	Subject    string
	DeviceID   string     // the device that sent the guess
	CustomerID *uuid.UUID // the customer who guesses; nil before login
	Binding    []byte
	Code       string

	nonce, binding []byte
	issuedAt       time.Time
	verdict        string // of CountInFlight

	Left int // tries that are left if this guess is wrong, after CountInFlight; 0 if the code is void
}

// CountAttempt adds the statement that counts the attempt to a batch. The batch may
// be sent again: the last answer decides.
func (a *Attempt) CountAttempt(batch *pgx.Batch, now time.Time) {
	batch.Queue(sqlCountAttempt, a.Subject, a.DeviceID, a.CustomerID, now).QueryRow(func(row pgx.Row) error {
		a.nonce, a.binding, a.issuedAt = nil, nil, time.Time{}
		// There is no row if the code is void, used up, expired, or of another device or customer.
		return pg.Optional(row.Scan(&a.nonce, &a.binding, &a.issuedAt))
	})
}

// Right reports whether the guess is right. A wrong guess costs the same work.
func (a *Attempt) Right(ring *keys.Ring) bool {
	nonce := a.nonce
	if nonce == nil {
		nonce = make([]byte, 16)
	}
	want := Compute(ring, nonce, a.Binding, a.issuedAt)
	right := hmac.Equal([]byte(want), []byte(a.Code))
	return right && a.nonce != nil && hmac.Equal(a.binding, a.Binding)
}

// Use adds the use of the code to a unit. The commit fails with refused if another
// request has used the code first.
func (a *Attempt) Use(unit *pg.Unit, now time.Time, refused error) {
	unit.Add(pg.Statement{
		Call: "otp_use", Args: []any{a.Subject, a.nonce, now}, Refuse: map[string]error{"OTP_USED": refused},
	})
}

// Issued is a stored challenge, for the function that sends the code.
type Issued struct {
	Purpose    string
	CustomerID *uuid.UUID
	ExpiresAt  time.Time

	nonce, binding []byte
	issuedAt       time.Time
}

// Life is the lifetime of the code, from its issue.
func (i Issued) Life() time.Duration { return i.ExpiresAt.Sub(i.issuedAt) }

// Code computes the code.
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
