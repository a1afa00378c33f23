package stepup

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
)

// SMSOTP is a one-time code that the bank sends to the customer's number.
const SMSOTP Factor = "sms_otp"

// CapSMS is the largest amount of one transfer by SMS code: 50,000.00 CNY (LIMIT-001,
// 增强身份认证要求 a）). The policy's transfer.sms.day_cap holds the same figure for
// the sum of a day; a higher figure has no effect.
const CapSMS money.Fen = 50_000_00

type smsOTP struct{}

func (smsOTP) name() Factor          { return SMSOTP }
func (smsOTP) cap() money.Fen        { return CapSMS }
func (smsOTP) day() limit.Kind       { return limit.TransferSMS }
func (smsOTP) begin(p Proof) attempt { return &smsOTPAttempt{code: otp.Attempt{Code: p.Code}} }

type smsOTPAttempt struct{ code otp.Attempt }

func (a *smsOTPAttempt) load(v *Verification, batch *pgx.Batch) {
	a.code.Subject, a.code.DeviceID, a.code.CustomerID = Subject(v.Confirmation.IntentID), v.DeviceID, &v.CustomerID
	a.code.CountAttempt(batch, v.Now)
}

// The code was computed over the digest of the intent's text, so it confirms only
// this text (AUTH-015).
func (a *smsOTPAttempt) verify(v *Verification, ring *keys.Ring) error {
	a.code.Binding = v.found.Digest
	if !a.code.Right(ring) {
		return ErrProofRejected
	}
	return nil
}

// undo leaves the count of tries: the customer can ask for a new code.
func (a *smsOTPAttempt) undo(*pg.Unit, uuid.UUID) bool { return false }

// consume adds nothing: the code is bound to the intent, and the intent is used once.
func (a *smsOTPAttempt) consume(*pg.Unit, uuid.UUID) {}
