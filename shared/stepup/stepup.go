// Package stepup decides which proofs an operation needs, and verifies them.
//
// The bank prepares an important operation as an intent. The intent stores the plan,
// its canonical Chinese text, the text's SM3 digest, and the combinations of factors
// that are enough. A confirmation brings proofs that are bound to the intent. An OTP
// is computed over the digest, and a device key signs the text. So each proof
// confirms only this intent (AUTH-015, OTP-004). The operation's transaction also
// uses up the intent, so every proof works once (LOGIC-007, LOGIC-013).
//
// The bank counts an attempt before it compares the guess, so parallel guesses can't
// exceed the bound. A request brings at most one proof of each factor. Amounts are
// fen; the policy table holds bounds and lifetimes. Refusals: INTENT_USED,
// INTENT_EXPIRED, PROOF_REJECTED, STEPUP_STRONGER, TRADE_PASSWORD_LOCKED,
// OBJECT_NOT_FOUND. Values are not for concurrent use.
//
// To add a factor, write
//   - one file here with its factor and attempt (device_key.go is the shortest);
//   - the rows of the matrix (matrix.go) that name it;
//   - its entry in docs/protocol.md, section 7.
//
// A factor that is stronger than the SMS code also needs its own limit.Kind, and a
// policy figure in a migration.
package stepup

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/risk"
)

// Refusals.
var (
	ErrUsed           = bankerr.New(bankerr.Conflict, "INTENT_USED")
	ErrExpired        = bankerr.New(bankerr.Refused, "INTENT_EXPIRED")
	ErrProofRejected  = bankerr.New(bankerr.Refused, "PROOF_REJECTED")
	ErrStronger       = bankerr.New(bankerr.Refused, "STEPUP_STRONGER")
	ErrPasswordLocked = bankerr.New(bankerr.Refused, "TRADE_PASSWORD_LOCKED")
)

// MissingError is the cause of STEPUP_STRONGER at a confirmation. The proven factors
// make none of the intent's combinations, and each of these is enough (AUTH-007).
type MissingError struct{ Combinations []Combination }

// Error lists the combinations.
func (m *MissingError) Error() string { return fmt.Sprintf("any one of %v is enough", m.Combinations) }

// UsedError is the cause of INTENT_USED: the intent has been carried out, and what it
// made has the intent's id. So an app shows the result instead of a second try.
type UsedError struct{ ResultID uuid.UUID }

// Error names the result.
func (u *UsedError) Error() string { return "the result is " + u.ResultID.String() }

// Refusals lists what the step-up stage may answer, for a function's Spec.
func Refusals() []*bankerr.Error {
	return []*bankerr.Error{ErrUsed, ErrExpired, ErrProofRejected, ErrStronger, ErrPasswordLocked, bankerr.ErrNotFound}
}

// Factor is one independent way to prove the customer's will.
type Factor string

// Proof is the client's proof of one factor.
type Proof struct {
	Factor    Factor `json:"factor" doc:"The factor that this proves, e.g. sms_otp (docs/protocol.md names them)" example:"sms_otp"`
	Code      string `json:"code,omitempty" maxLength:"8" doc:"sms_otp: the six digits" example:"123456"`
	Password  []byte `json:"password,omitempty" doc:"trade_password: sealed to the password key (docs/protocol.md)"`
	Signature []byte `json:"signature,omitempty" doc:"device_key: SM2 signature over the intent's text"`
}

// Confirmation holds an intent's id and the proofs. Every request that confirms an
// intent embeds it, and the runtime reads it.
type Confirmation struct {
	IntentID uuid.UUID `json:"intent_id" format:"uuid" doc:"The intent to confirm"`
	Proofs   []Proof   `json:"proofs" idem:"-" maxItems:"8" doc:"The proofs of one of the intent's combinations, one proof for each factor"`
}

// Confirms returns the confirmation itself.
func (c Confirmation) Confirms() Confirmation { return c }

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
	Grade        risk.Grade // the customer's grade when Decide chose the combinations
	CreatedAt    time.Time
	ExpiresAt    time.Time
}
