// Package consentset gives or withdraws the caller's consent to a purpose of biometric data.
//
//	POST /function/identity-consent-set   session
//
// To consent, the caller acknowledges the notice of the purpose by its SM3 digest
// (identity-consent-list). The bank keeps the text, the device and the time. A withdrawal needs no
// acknowledgement and holds at once, also for a face check that has passed and is not used. With
// the last consent, the bank deletes what it holds of the caller's face. Refusal:
// NOTICE_UNACKNOWLEDGED, also for the digest of an earlier text.
package consentset

import (
	"context"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/consent"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-consent-set", Summary: "Give or withdraw the consent to a purpose of biometric data", Audience: fn.Customer,
	Audit: fn.AuditAuth, Keys: []keys.Purpose{keys.Pseudonym},
	Refusals:     []*bankerr.Error{consent.ErrUnacknowledged},
	Requirements: []string{"BIO-007"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request is the decision.
type Request struct {
	Purpose      consent.Purpose `json:"purpose" enum:"transfer,security"`
	Given        bool            `json:"given"`
	Acknowledged []byte          `json:"acknowledged,omitempty" maxLength:"44" doc:"To consent: SM3 of the notice that was read"`
}

// Validate refuses an acknowledgement of what is withdrawn.
func (r Request) Validate() error {
	if !r.Given && len(r.Acknowledged) > 0 {
		return fn.InvalidField("acknowledged", "only to consent")
	}
	return nil
}

// Response is the decision as stored.
type Response struct {
	Purpose   consent.Purpose `json:"purpose" enum:"transfer,security"`
	Given     bool            `json:"given"`
	ChangedAt time.Time       `json:"changed_at"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return func(_ context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
		notice, known := consent.Find(req.Purpose)
		switch {
		case !known:
			return Response{}, fn.InvalidField("purpose", "no such purpose")
		case req.Given && !notice.Acknowledged(req.Acknowledged):
			return Response{}, consent.ErrUnacknowledged
		}
		now := lent.Clock.Now().Truncate(time.Microsecond)
		decision := consent.Decision{Customer: call.CustomerID, Notice: notice, DeviceID: call.DeviceID, At: now}
		reply := Response{Purpose: notice.Purpose, Given: req.Given, ChangedAt: now.In(clock.Shanghai)}
		if req.Given {
			call.AuditReason("consent given", call.CustomerID)
			return reply, consent.GiveConsent(unit, decision)
		}
		call.AuditReason("consent withdrawn", call.CustomerID)
		if err := consent.WithdrawConsent(unit, decision); err != nil {
			return Response{}, err
		}
		face.ForgetUnconsented(unit, lent.Keys, call.CustomerID)
		return reply, nil
	}, nil
}
