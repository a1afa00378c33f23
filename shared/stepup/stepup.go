// Package stepup decides which proofs an operation needs, and verifies them.
//
// The bank prepares an important operation as an intent. The intent stores the plan,
// its canonical Chinese text, the text's SM3 digest, and the combinations of factors
// that are enough. A confirmation brings proofs that are bound to the intent. An OTP
// is computed over the digest, and a device key signs the text. So each proof
// confirms only this intent (AUTH-015, OTP-004). The operation's transaction also
// uses up the intent, so every proof works once (LOGIC-007, LOGIC-013).
//
// The bank counts an attempt as in flight before it compares the guess, so parallel
// guesses can't exceed the bound. Only a wrong guess stays counted. While guesses in
// flight may reach the bound, another guess waits. So right guesses lock nothing, however
// many come at once. A request brings at most one proof of each factor. Amounts are fen;
// the policy table holds bounds and lifetimes. Refusals: INTENT_USED, INTENT_EXPIRED,
// PROOF_REJECTED, STEPUP_STRONGER, TRADE_PASSWORD_LOCKED, TRADE_PASSWORD_FROZEN,
// LOGIN_PASSWORD_LOCKED, TOKEN_LOCKED, OBJECT_NOT_FOUND, PASSWORD_UNSEALED, DEVICE_UNBOUND. Values are not for concurrent use.
//
// To add a factor, write
//   - one file here with its factor and attempt (device_key.go is the shortest);
//   - its entry in factors (factor.go);
//   - a migration with its row of stepup_cap, and the rows of stepup_rule or changes that name it;
//   - its entry in docs/protocol.md, section 7.
//
// A factor that is stronger than the SMS code also needs its own limit.Kind, and a
// policy figure in a migration.
package stepup

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/risk"
)

// Refusals.
var (
	ErrUsed           = bankerr.New(bankerr.Conflict, "INTENT_USED")
	ErrExpired        = bankerr.New(bankerr.Refused, "INTENT_EXPIRED")
	ErrProofRejected  = bankerr.New(bankerr.Refused, "PROOF_REJECTED")
	ErrStronger       = bankerr.New(bankerr.Refused, "STEPUP_STRONGER")
	ErrUnbound        = bankerr.New(bankerr.Refused, "DEVICE_UNBOUND")
	ErrPasswordLocked = bankerr.New(bankerr.Refused, "TRADE_PASSWORD_LOCKED")
	ErrPasswordFrozen = bankerr.New(bankerr.Refused, "TRADE_PASSWORD_FROZEN")
	ErrLoginLocked    = bankerr.New(bankerr.Refused, "LOGIN_PASSWORD_LOCKED")
	ErrTokenLocked    = bankerr.New(bankerr.Refused, "TOKEN_LOCKED")
)

// MissingError is the cause of STEPUP_STRONGER at a confirmation. The proven factors
// make none of the intent's combinations, and each of these is enough (AUTH-007).
// Missing holds the factors that are missing: with each of its sets, the proofs are
// enough.
type MissingError struct{ Combinations, Missing []Combination }

// Error lists the combinations.
func (m *MissingError) Error() string { return fmt.Sprintf("any one of %v is enough", m.Combinations) }

// missing compares the proven factors with the combinations. It leaves out a set that
// contains another set.
func missing(combinations []Combination, proven []Factor) *MissingError {
	m := &MissingError{Combinations: combinations}
	for _, c := range combinations {
		lacking := slices.DeleteFunc(slices.Clone(c), func(f Factor) bool { return slices.Contains(proven, f) })
		within := func(other Combination) bool { return other.satisfiedBy(lacking) }
		if slices.ContainsFunc(m.Missing, within) {
			continue
		}
		m.Missing = slices.DeleteFunc(m.Missing, func(other Combination) bool { return lacking.satisfiedBy(other) })
		m.Missing = append(m.Missing, lacking)
	}
	return m
}

// CapError is the cause of STEPUP_STRONGER for an amount that no combination confirms.
type CapError struct{ Most money.Fen } // the largest amount of one operation; 0 if there is none

// Error is for logs.
func (c *CapError) Error() string { return "at most " + c.Most.Yuan() }

// AttemptsError is in the cause of a refusal because of wrong or locked proofs. The bank
// tells it only to a customer who is logged in (AUTH-009). It does not tell which proof
// was wrong (LOGIC-004): TriesLeft is the lowest number of guesses that are left for one
// of the proofs, if that proof was wrong.
type AttemptsError struct {
	TriesLeft   int       // 0: a new code is needed, or a lock has begun
	LockedUntil time.Time // end of the lock or freeze of a password or token; zero: not locked
}

// Error is for logs.
func (a *AttemptsError) Error() string {
	if a.LockedUntil.IsZero() {
		return fmt.Sprintf("%d tries left", a.TriesLeft)
	}
	return "locked until " + a.LockedUntil.Format(time.RFC3339)
}

// UsedError is the cause of INTENT_USED: the intent has been carried out, and what it
// made has the intent's id. So an app shows the result instead of a second try.
type UsedError struct{ ResultID uuid.UUID }

// Error names the result.
func (u *UsedError) Error() string { return "the result is " + u.ResultID.String() }

// Refusals lists what the step-up stage may answer, for a function's Spec.
func Refusals() []*bankerr.Error {
	return []*bankerr.Error{
		ErrUsed, ErrExpired, ErrProofRejected, ErrStronger, ErrPasswordLocked, ErrPasswordFrozen, ErrLoginLocked,
		ErrTokenLocked,
		bankerr.ErrNotFound, password.ErrUnsealed, ErrUnbound,
	}
}

// Factor is one independent way to prove the customer's will.
type Factor string

// Proof is the client's proof of one factor.
type Proof struct {
	Factor    Factor `json:"factor" maxLength:"32" doc:"The factor that this proves, e.g. sms_otp (docs/protocol.md)" example:"sms_otp"`
	Code      string `json:"code,omitempty" minLength:"6" maxLength:"6" pattern:"^[0-9]{6}$" doc:"sms_otp, token" example:"123456"`
	Password  []byte `json:"password,omitempty" format:"sealed-password" minLength:"1" maxLength:"1024" doc:"of either kind"`
	Signature []byte `json:"signature,omitempty" minLength:"1" maxLength:"1024" doc:"device_key, unlock_key: by SM2 over the intent's text"`

	CheckID *uuid.UUID `json:"check_id,omitempty" format:"uuid" doc:"face: of the check that has passed for the intent"`

	SignedData []byte `json:"signed_data,omitempty" minLength:"4" maxLength:"4096" doc:"soft_ukey, _counter, phone_shield: PKCS#7 of text"`
}

// Confirmation holds an intent's id and the proofs. Every request that confirms an
// intent embeds it, and the runtime reads it.
type Confirmation struct {
	IntentID uuid.UUID `json:"intent_id" format:"uuid" doc:"The intent to confirm"`
	Proofs   []Proof   `json:"proofs" idem:"-" maxItems:"8" nullable:"false" doc:"The proofs of one combination, one for each factor"`
}

// Confirms returns the confirmation itself.
func (c Confirmation) Confirms() Confirmation { return c }

// Check refuses a proof of a known factor without the value that proves it, so that it is
// not counted as a wrong guess.
func (c Confirmation) Check() error {
	for i, p := range c.Proofs {
		f, known := factors[p.Factor]
		if !known {
			continue
		}
		if field := f.lacks(p); field != "" {
			return bankerr.InvalidField(fmt.Sprintf("proofs[%d].%s", i, field), "missing")
		}
	}
	return nil
}

// Transfer is the function that confirms transfers, the operation that customers choose
// proofs for (Preference).
const Transfer = "transfer-confirm"

// Confirmer is a request that holds proofs.
type Confirmer interface{ Confirms() Confirmation }

// Intent is a stored operation that waits for its confirmation.
type Intent struct {
	ID           uuid.UUID
	CustomerID   uuid.UUID
	DeviceID     string
	Operation    string // the only function that may confirm it
	Payload      []byte // JSON of the operation's own plan
	Text         string // canonical Chinese text that the customer reads, signs and confirms
	Digest       []byte // SM3 of Text
	Combinations []Combination
	Grade        risk.Grade    // the customer's grade when Decide chose the combinations
	Raised       []Combination // the combinations if the grade is raised before the confirmation
	CreatedAt    time.Time
	ExpiresAt    time.Time
}
