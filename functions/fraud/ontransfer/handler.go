// Package ontransfer scores a posted transfer and grades its payer.
//
//	com.tidebank.transfer.posted.v1 → fraud_score, customer.risk_grade   emits fraud.scored.v1
//
// The score is 0 to 100. It depends on the payee, the amount and the hour, and on the
// payer's transfers in the last hour and day. The grade decides about the next
// transfer. The grade raised asks for stronger proofs, and falls when a later
// transfer scores low. The grade high refuses transfers until the bank lifts it.
// Transfers between own accounts are recorded and change no grade. Score, grade and
// event commit together, once for each transfer. The order of events does not matter.
package ontransfer

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/fraud"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Event(fn.Spec{
	Name: "fraud-on-transfer", Summary: "Score a transfer and grade its payer",
	Consumes: []string{events.TypeTransferPosted}, Emits: []string{events.TypeFraudScored},
	Requirements: []string{"FRAUD-003", "FRAUD-018"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

func wire(context.Context, *fn.Lent, Config) (fn.Reaction[events.TransferPosted], error) {
	return func(_ context.Context, e fn.Delivery[events.TransferPosted]) (fn.Effect, error) {
		payer, err := uuid.Parse(e.Data.PayerCustomerID)
		if err != nil {
			return nil, bankerr.ErrInput.Because(fmt.Errorf("payer: %w", err))
		}
		return func(ctx context.Context, tx pg.Tx) error { return score(ctx, tx, e, payer) }, nil
	}, nil
}

func score(ctx context.Context, tx pg.Tx, e fn.Delivery[events.TransferPosted], payer uuid.UUID) error {
	habits, err := fraud.Lookup(ctx, tx, payer, e.Data.PostedAt)
	if err != nil {
		return err
	}
	verdict := fraud.Score(e.Data, habits)
	if err := fraud.Save(ctx, tx, e.ID, payer, verdict, e.Data.PostedAt); err != nil {
		return err
	}
	return events.Emit(ctx, tx, e.Data.TransferID, payer, events.FraudScored{
		TransferID: e.Data.TransferID, CustomerID: payer.String(), Score: verdict.Score, Grade: int(verdict.Grade),
		Reasons: verdict.Reasons,
	})
}
