// Package confirm carries out a prepared transfer once its proofs hold.
//
//	POST /function/transfer-confirm   session, step-up   emits transfer.posted.v1
//
// The runtime has verified the proofs against the stored intent before this code
// runs. Then one unit of work commits in one round trip to PostgreSQL: the
// idempotency record, the use of the intent and of the day's limit, the posting with
// its two entries, the order and the event. The order has the id of its intent, so an
// intent can't make two orders. Amounts are whole fen. Refusals: INTENT_USED,
// INTENT_EXPIRED, PROOF_REJECTED, STEPUP_STRONGER, FUNDS_INSUFFICIENT,
// LIMIT_EXCEEDED, ACCOUNT_CLOSED, RISK_REFUSED.
package confirm

import (
	"context"
	"time"

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

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: transfer.ConfirmFunction, Summary: "Carry out a prepared transfer with its proofs",
	Risk:  risk.SceneTransfer,
	Audit: fn.AuditMoney, Personal: []string{"payee_name_masked", "payer_account_masked", "payee_account_masked"},
	Emits: []string{events.TypeTransferPosted},
	Refusals: []*bankerr.Error{
		ledger.ErrFundsInsufficient, ledger.ErrAccountClosed, limit.ErrExceeded,
	},
	Keys: []keys.Purpose{keys.Ledger, keys.Storage},
	Requirements: []string{
		"XFER-001", "XFER-003", "LOGIC-007", "LOGIC-010", "LOGIC-013", "LIMIT-001", "LIMIT-003", "AUTH-006", "AUTH-007",
		"AUTH-016", "AUTH-002", "AUTH-025", "LIMIT-002", "BIO-002",
	},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request names the intent and holds the proofs. The function reads nothing more from
// the client.
type Request struct{ stepup.Confirmation }

// Response is the stored order, masked.
type Response = transfer.View

type operation struct {
	store *transfer.Store
	ring  *keys.Ring
	clock clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.ConfirmOperation[transfer.Plan, Request, Response], error) {
	return operation{store: transfer.NewStore(lent.DB, lent.Keys), ring: lent.Keys, clock: lent.Clock}.do, nil
}

func (op operation) do(
	ctx context.Context, call *fn.Call, _ Request, confirmed fn.Confirmed[transfer.Plan], unit *pg.Unit,
) (Response, error) {
	order := transfer.Order{
		ID: confirmed.IntentID, CustomerID: call.CustomerID, DeviceID: call.DeviceID, IntentID: confirmed.IntentID,
		Plan: confirmed.Plan, Text: confirmed.Text, Factors: confirmed.Factors,
		PostedAt: op.clock.Now().Truncate(time.Microsecond), // PostgreSQL stores microseconds
	}
	posting, err := order.Posting(op.ring)
	if err != nil {
		return Response{}, err
	}
	order.Plan.UseLimit(unit, order.CustomerID, order.Factors, order.PostedAt)
	ledger.Post(unit, posting, op.mac)
	if err := op.store.Insert(unit, order); err != nil {
		return Response{}, err
	}
	return order.View(), events.Emit(ctx, unit, order.ID.String(), order.CustomerID, order.Event())
}

func (op operation) mac(parts ...[]byte) (sum []byte, keyID string) {
	return op.ring.MAC(keys.Ledger, parts...)
}
