package stepup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

// TradePassword is the six digits that the customer chose for moving money.
const TradePassword Factor = "trade_password"

type tradePassword struct{}

func (tradePassword) name() Factor { return TradePassword }

// The standard gives a password no cap, so a password has the lowest cap of all: the
// SMS code's.
func (tradePassword) cap() money.Fen      { return CapSMS }
func (tradePassword) day() limit.Kind     { return limit.TransferSMS }
func (tradePassword) begin(Proof) attempt { return new(tradePasswordAttempt) }

func (tradePassword) lacks(p Proof) string {
	if len(p.Password) == 0 {
		return "password"
	}
	return ""
}

type tradePasswordAttempt struct {
	tried password.TradeAttempt
	guess guess
}

func (a *tradePasswordAttempt) load(v *Verification, batch *pgx.Batch) {
	a.guess = guess{}
	a.tried = password.TradeAttempt{
		CustomerID: v.CustomerID, IntentID: v.Confirmation.IntentID, DeviceID: v.DeviceID, Operation: v.Operation, Now: v.Now,
	}
	a.tried.Count(batch)
}

func (a *tradePasswordAttempt) waits() bool { return a.tried.Verdict == password.TradeWait }

func (a *tradePasswordAttempt) verify(ctx context.Context, v *Verification, _ *keys.Ring) error {
	if !a.tried.Counted() {
		return a.locked()
	}
	v.lockEnded = a.tried.Verdict == password.TradeReopened
	err := a.compare(ctx, v)
	a.guess = guess{compared: err == nil || errors.Is(err, ErrProofRejected), right: err == nil}
	return err
}

// locked refuses a guess that is not counted. A customer without a trade password gets
// the answer of a locked one.
func (a *tradePasswordAttempt) locked() error {
	refusal := ErrPasswordLocked
	if a.tried.Verdict == password.TradeFrozen {
		refusal = ErrPasswordFrozen
	}
	if a.tried.Until == nil {
		return refusal
	}
	return refusal.WithRetryAfter(a.tried.Until.Sub(a.tried.Now)).Because(&AttemptsError{LockedUntil: *a.tried.Until})
}

func (a *tradePasswordAttempt) compare(ctx context.Context, v *Verification) error {
	turn, err := v.Passwords.Begin(ctx)
	if err != nil {
		return err
	}
	defer turn.End()
	right, err := a.tried.Check(turn, v.password)
	if err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	if !right {
		return ErrProofRejected
	}
	return nil
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

// openPassword opens the trade password among the proofs. A password that is not sealed
// for this channel is the app's fault and no guess: ErrUnsealed names its field. A text
// that is not six digits is no guess either: INPUT_INVALID.
func (v *Verification) openPassword(ring *keys.Ring) error {
	for i, p := range v.Confirmation.Proofs {
		if p.Factor != TradePassword {
			continue
		}
		var err error
		field := fmt.Sprintf("proofs[%d].password", i)
		v.password, err = password.OpenDigits(ring, v.Channel, field, p.Password)
		if err != nil && !errors.Is(err, password.ErrUnsealed) && !errors.Is(err, bankerr.ErrInput) {
			return bankerr.ErrInternal.Because(err)
		}
		return err
	}
	return nil
}
