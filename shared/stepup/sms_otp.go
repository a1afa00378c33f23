package stepup

import (
	"context"
	"time"

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

func (smsOTP) lacks(p Proof) string {
	if p.Code == "" {
		return "code"
	}
	return ""
}

type smsOTPAttempt struct {
	code  otp.Attempt
	guess guess
}

func (a *smsOTPAttempt) load(v *Verification, batch *pgx.Batch) {
	a.guess = guess{}
	a.code.Subject, a.code.DeviceID, a.code.CustomerID = Subject(v.Confirmation.IntentID), v.DeviceID, &v.CustomerID
	a.code.CountInFlight(batch, v.Now)
}

func (a *smsOTPAttempt) waits() bool { return a.code.Waits() }

// The code was computed over the digest of the intent's text, so it confirms only
// this text (AUTH-015).
func (a *smsOTPAttempt) verify(_ context.Context, v *Verification, ring *keys.Ring) error {
	a.code.Binding = v.found.Digest
	a.guess.compared, a.guess.right = true, a.code.Right(ring)
	if !a.guess.right {
		return ErrProofRejected
	}
	return nil
}

// settle gives back the count of a right code: the call was refused for another reason.
func (a *smsOTPAttempt) settle(unit *pg.Unit) {
	switch {
	case !a.code.Counted():
	case a.guess.wrong():
		a.code.Fail(unit)
	default:
		a.code.Release(unit)
	}
	a.code.Settled()
}

// left is 0 also for a code that is void, used up or expired: the customer needs a new
// code.
func (a *smsOTPAttempt) left() (int, *time.Time, bool) { return a.code.Left, nil, a.guess.compared }

// consume adds nothing: the code is bound to the intent, and the intent is used once.
func (a *smsOTPAttempt) consume(*pg.Unit, uuid.UUID) {}
