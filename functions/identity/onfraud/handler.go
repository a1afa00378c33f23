// Package onfraud ends the session of a customer whom fraud analysis graded high.
//
//	com.tidebank.fraud.scored.v1 → the customer's session
//
// The session ends at once, on whatever device it is, and the next call gets
// SESSION_REQUIRED (SESSION-001). Other grades change no session. A repetition of the
// event changes nothing. If Redis is down, the event comes again.
package onfraud

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/risk"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Event(fn.Spec{
	Name: "identity-on-fraud", Summary: "End the session of a customer whose risk grade is high", EndsSessions: true,
	Consumes:     []string{events.TypeFraudScored},
	Requirements: []string{"SESSION-001"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.Reaction[events.FraudScored], error) {
	return func(ctx context.Context, e fn.Delivery[events.FraudScored]) (fn.Effect, error) {
		if risk.Grade(e.Data.Grade) < risk.GradeHigh {
			return nil, nil //nolint:nilnil // no effect
		}
		customer, err := uuid.Parse(e.Data.CustomerID)
		if err != nil {
			return nil, bankerr.ErrInput.Because(fmt.Errorf("customer: %w", err))
		}
		return nil, lent.EndSession(ctx, customer)
	}, nil
}
