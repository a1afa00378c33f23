package stepup

import (
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
)

// VoiceOTP is a one-time code that a call tells the customer at the reserved number. It is another
// code than that of a text: a text that is read on the way tells nothing about it (OTP-008).
const VoiceOTP Factor = "voice_otp"

// VoiceSubject names the challenge of an intent's code that a call tells.
func VoiceSubject(intent uuid.UUID) string { return "voice:" + intent.String() }

type voiceOTP struct{}

func (voiceOTP) name() Factor { return VoiceOTP }

// The standard gives a call no cap, so it has the cap of the SMS code, and counts in the same sum
// of a day (LIMIT-001).
func (voiceOTP) cap() money.Fen        { return CapSMS }
func (voiceOTP) day() limit.Kind       { return limit.TransferSMS }
func (voiceOTP) begin(p Proof) attempt { return newCodeAttempt(p, VoiceSubject) }

func (voiceOTP) lacks(p Proof) string { return smsOTP{}.lacks(p) }
