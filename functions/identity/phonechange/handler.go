// Package phonechange gives a customer another phone number, which gets the codes from then on.
//
//	POST /function/identity-phone-change   session, step-up   emits identity.phonechanged.v1
//
// The proofs are the login password, and a code to the present number or a signature, over the
// text of the prepared change. A code to the new number shows that the customer has it. So only
// the holder of a number learns that another customer has registered it, and not which one. The
// commit changes the number, keeps the earlier one sealed and emits the event by which
// notify-on-phone tells the earlier number (OTP-007). From then on, codes that were issued
// before confirm nothing, and intents that were prepared before need a code to the new number.
// The session goes on; it is the customer's only one. Refusals: PHONE_TAKEN, PROOF_REJECTED
// (also for the code to the new number), and those of the step-up.
package phonechange

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: identity.PhoneChange, Summary: "Change the phone number", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	CountsAttempts: true, Emits: []string{events.TypePhoneChanged}, Refusals: []*bankerr.Error{customer.ErrPhoneTaken},
	Keys:         []keys.Purpose{keys.BlindIndex, keys.OTP, keys.Storage},
	Requirements: []string{"OTP-007"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent, and holds the proofs and the code to the new number.
type Request struct {
	stepup.Confirmation
	OTP string `json:"otp" minLength:"6" maxLength:"6" pattern:"^[0-9]{6}$" doc:"To the new number, for the purpose phone" example:"123456"`
}

// Response confirms the change.
type Response struct {
	Changed bool `json:"changed"`
}

type operation struct {
	ring  *keys.Ring
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	return operation{ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(
	ctx context.Context, call *fn.Call, req Request, confirmed fn.Confirmed[identity.Change], unit *pg.Unit,
) (Response, error) {
	now := op.clock.Now()
	code := otp.Attempt{
		Subject: stepup.NewPhoneSubject(confirmed.IntentID), DeviceID: call.DeviceID, CustomerID: &call.CustomerID,
		Binding: sm.Digest([]byte(confirmed.Text)), Code: req.OTP,
	}
	var batch pgx.Batch
	var sealed customer.Sealed
	code.CountAttempt(&batch, now)
	sealed.QueueSealed(&batch, call.CustomerID)
	if err := call.CountAttempts(ctx, &batch); err != nil {
		return Response{}, err
	}
	if !code.Right(op.ring) {
		return Response{}, stepup.ErrProofRejected
	}
	code.Use(unit, now, stepup.ErrProofRejected)
	number := customer.NewNumber{Change: confirmed.IntentID, Phone: confirmed.Plan.Phone, At: now}
	if err := sealed.SetPhone(ctx, unit, op.ring, number, stepup.ErrProofRejected); err != nil {
		return Response{}, err
	}
	id := call.CustomerID.String()
	return Response{Changed: true}, events.Emit(ctx, unit, id, call.CustomerID, events.PhoneChanged{
		CustomerID: id, ChangeID: confirmed.IntentID.String(), DeviceID: call.DeviceID, ChangedAt: now,
	})
}
