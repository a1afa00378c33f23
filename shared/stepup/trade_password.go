package stepup

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

// TradePassword is the six digits that the customer chose for moving money.
const TradePassword Factor = "trade_password"

type tradePassword struct{ sealedProof }

func (tradePassword) name() Factor { return TradePassword }

// The standard gives a password no cap, so a password has the lowest cap of all: the
// SMS code's.
func (tradePassword) cap() money.Fen      { return CapSMS }
func (tradePassword) day() limit.Kind     { return limit.TransferSMS }
func (tradePassword) begin(Proof) attempt { return new(tradePasswordAttempt) }

type tradePasswordAttempt struct {
	tried password.TradeAttempt
	guess guess
}

func (a *tradePasswordAttempt) load(v *Verification, batch *pgx.Batch) {
	a.guess = guess{}
	a.tried = password.TradeAttempt{
		CustomerID: v.CustomerID, IntentID: v.Confirmation.IntentID, DeviceID: v.DeviceID, Operation: v.Operation, Now: v.Now,
	}
	a.tried.CountTrade(batch)
}

func (a *tradePasswordAttempt) waits() bool { return a.tried.Verdict == password.TradeWait }

func (a *tradePasswordAttempt) verify(ctx context.Context, v *Verification, _ *keys.Ring) error {
	if !a.tried.Counted() {
		return a.locked()
	}
	v.lockEnded = v.lockEnded || a.tried.Verdict == password.TradeReopened
	var err error
	a.guess, err = v.compare(ctx, TradePassword, a.tried.Check)
	return err
}

// locked refuses a guess that is not counted. A customer without a trade password gets
// the answer of a locked one.
func (a *tradePasswordAttempt) locked() error {
	refusal := ErrPasswordLocked
	if a.tried.Verdict == password.TradeFrozen {
		refusal = ErrPasswordFrozen
	}
	return LockedUntil(refusal, a.tried.Until, a.tried.Now)
}

func (a *tradePasswordAttempt) settle(unit *pg.Unit) {
	switch {
	case !a.tried.Counted():
	case a.guess.wrong():
		a.tried.Fail(unit)
	case a.guess.right:
		a.consume(unit, a.tried.CustomerID)
	default:
		a.tried.Release(unit)
	}
	a.tried.Verdict = "" // settled once
}

func (a *tradePasswordAttempt) left() (int, *time.Time, bool) {
	return a.tried.Left, a.tried.Until, true
}

// consume settles the right guess. The password itself stays valid; the intent is used
// once.
func (a *tradePasswordAttempt) consume(unit *pg.Unit, customer uuid.UUID) {
	password.ResetTradeAttempts(unit, customer)
}

func (a *tradePasswordAttempt) nowLocked() bool { return a.guess.wrong() && a.tried.Until != nil }
func (a *tradePasswordAttempt) damaged() bool   { return a.tried.Damaged }
