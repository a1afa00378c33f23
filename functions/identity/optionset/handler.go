// Package optionset switches a risky option of the bank's functions on or off for the caller.
//
//	POST /function/identity-option-set   session
//
// To switch it on, the caller acknowledges the option's warning by its SM3 digest
// (identity-option-list). The bank keeps the acknowledged text, the device and the time. A
// switch to off needs no acknowledgement, and holds for all later preparations. Refusal:
// WARNING_UNACKNOWLEDGED, also for the digest of an earlier text.
package optionset

import (
	"context"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/option"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "identity-option-set", Summary: "Switch a risky option on or off", Audience: fn.Customer, Audit: fn.AuditAuth,
	Refusals:     []*bankerr.Error{option.ErrUnacknowledged},
	Requirements: []string{"RISK-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request is the switch.
type Request struct {
	Option       option.Name `json:"option" enum:"large_transfer"`
	On           bool        `json:"on"`
	Acknowledged []byte      `json:"acknowledged,omitempty" maxLength:"44" doc:"To switch on: SM3 of the warning that was read"`
}

// Validate refuses an acknowledgement of what is switched off.
func (r Request) Validate() error {
	if !r.On && len(r.Acknowledged) > 0 {
		return fn.InvalidField("acknowledged", "only to switch on")
	}
	return nil
}

// Response is the option as stored.
type Response struct {
	Option    option.Name `json:"option" enum:"large_transfer"`
	On        bool        `json:"on"`
	ChangedAt time.Time   `json:"changed_at"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return func(_ context.Context, call *fn.Call, req Request, unit *pg.Unit) (Response, error) {
		of, known := option.Find(req.Option)
		switch {
		case !known:
			return Response{}, fn.InvalidField("option", "no such option")
		case req.On && !of.Acknowledged(req.Acknowledged):
			return Response{}, option.ErrUnacknowledged
		}
		now := lent.Clock.Now().Truncate(time.Microsecond)
		change := option.Change{Customer: call.CustomerID, Option: of, On: req.On, DeviceID: call.DeviceID, At: now}
		return Response{Option: of.Name, On: req.On, ChangedAt: now.In(clock.Shanghai)}, option.SwitchOption(unit, change)
	}, nil
}
