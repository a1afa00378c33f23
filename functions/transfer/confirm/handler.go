// Package confirm carries out a prepared transfer once its proofs hold.
//
//	POST /function/transfer-confirm   session, step-up   emits transfer.posted.v1
//
// The runtime has verified the proofs against the stored intent before this code
// runs. One unit of work, one round trip to PostgreSQL, then holds all that must
// be true together: the idempotency record, the use of the intent and of the
// day's limit, the posting with its two entries, the order and the event.
// Amounts are whole fen. Refusals: INTENT_EXPIRED, PROOF_REJECTED,
// STEPUP_STRONGER, FUNDS_INSUFFICIENT, LIMIT_EXCEEDED, ACCOUNT_CLOSED,
// RISK_REFUSED.
package confirm

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function is what the registry, mains and manifests are made from.
var Function = fn.HTTP(fn.Spec{
	Name: transfer.ConfirmFunction, Summary: "Carry out a prepared transfer with its proofs",
	Audience: fn.Customer, Idempotent: true, StepUp: stepup.FromIntent, Risk: risk.SceneTransfer,
	Audit: fn.AuditMoney, Personal: []string{"payee_name_masked", "payer_account_masked", "payee_account_masked"},
	Emits: []string{events.TypeTransferPosted},
	Refusals: []*bankerr.Error{
		ledger.ErrFundsInsufficient, ledger.ErrAccountClosed, limit.ErrExceeded,
	},
	Requirements: []string{
		"XFER-001", "XFER-003", "LOGIC-007", "LOGIC-010", "LOGIC-013", "LIMIT-001", "AUTH-006", "AUTH-007",
	},
}, wire)

// Config is empty: the host lends all that is needed.
type Config struct{}

// Request names the intent and brings the proofs; nothing else is read from the
// client.
type Request struct{ stepup.Confirmation }

type operation struct {
	store *transfer.Store
	db    *pg.DB
	ring  *keys.Ring
	clock clock.Clock
}

func wire(_ context.Context, host *fn.Host, _ Config) (fn.Operation[Request, transfer.View], error) {
	op := operation{
		store: transfer.NewStore(host.DB, host.Keys), db: host.DB, ring: host.Keys, clock: host.Clock,
	}
	return op.do, nil
}

func (op operation) do(ctx context.Context, _ Request) (transfer.View, error) {
	proven := fn.EvidenceFrom(ctx)
	var plan transfer.Plan
	if err := proven.Plan(&plan); err != nil {
		return transfer.View{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return transfer.View{}, bankerr.ErrInternal.Because(err)
	}
	order := transfer.NewOrder(id, plan, proven, op.clock.Now())
	posting := order.Posting()

	var unit pg.Unit
	if err := fn.RecordReply(ctx, &unit, order.View()); err != nil {
		return transfer.View{}, err
	}
	proven.Consume(&unit)
	plan.UseLimit(&unit, order.CustomerID, order.Factors, posting.BusinessDay)
	ledger.Post(&unit, posting, op.mac)
	if err := op.store.Insert(&unit, order); err != nil {
		return transfer.View{}, err
	}
	err = unit.Emit(ctx, pg.Event{
		ID: id, Type: events.TypeTransferPosted, Subject: id.String(),
		CustomerHash: events.CustomerHash(order.CustomerID), Data: order.Event(),
	})
	if err != nil {
		return transfer.View{}, err
	}
	if err := op.db.Commit(ctx, &unit); err != nil {
		return transfer.View{}, err
	}
	return order.View(), nil
}

func (op operation) mac(parts ...[]byte) (sum []byte, keyID string) {
	return op.ring.MAC(keys.Ledger, parts...)
}
