package otp

import (
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

// ErrTooOften refuses a code within 60 s of the last for its purpose, or the
// number's eleventh of a day.
var ErrTooOften = bankerr.New(bankerr.TooMany, "OTP_TOO_OFTEN").WithRetryAfter(Life)

// Purposes of codes.
const (
	Register = "register"
	Login    = "login"
	Intent   = "intent"
)

const (
	sqlCharge = `-- otp.charge
UPDATE otp_challenge SET tries = tries + 1
 WHERE subject = $1 AND tries < 5 AND used_at IS NULL AND expires_at > $2
RETURNING nonce, binding, issued_at`

	sqlLoad = `-- otp.load
SELECT nonce, binding, issued_at, expires_at, purpose, customer_id FROM otp_challenge WHERE subject = $1`
)

// Challenge is a code that was asked for.
type Challenge struct {
	Subject    string
	Purpose    string
	Phone      []byte     // blind index of the number
	CustomerID *uuid.UUID // nil: nobody to send it to
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
			c.Subject, c.Purpose, c.Phone, c.CustomerID, NewNonce(), c.Binding, now, clock.BusinessDay(now), Life,
		},
		Refuse: map[string]error{ErrTooOften.Code(): ErrTooOften},
	})
}

// Try is one guess at a code. Queue charges it, Right then says whether it was
// right, and Use makes the code single-use in the transaction of its effect.
type Try struct {
	Subject string
	Binding []byte
	Code    string

	nonce, binding []byte
	issuedAt       time.Time
}

// Queue adds the charge to a batch.
func (t *Try) Queue(batch *pgx.Batch, now time.Time) {
	batch.Queue(sqlCharge, t.Subject, now).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&t.nonce, &t.binding, &t.issuedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err //nolint:wrapcheck // the batch's owner wraps it
	})
}

// Right reports whether the guess is the code; it works as long either way.
func (t *Try) Right(ring *keys.Ring) bool {
	nonce := t.nonce
	if nonce == nil {
		nonce = make([]byte, 16)
	}
	want := Compute(ring, nonce, t.Binding, t.issuedAt)
	right := hmac.Equal([]byte(want), []byte(t.Code))
	return right && t.nonce != nil && hmac.Equal(t.binding, t.Binding)
}

// Use adds the code's use to a unit; refused is the answer to the loser of a
// race for it.
func (t *Try) Use(unit *pg.Unit, now time.Time, refused error) {
	unit.Add(pg.Statement{
		Call: "otp_use", Args: []any{t.Subject, t.nonce, now}, Refuse: map[string]error{"OTP_USED": refused},
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
const LoadSQL = sqlLoad
