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

// PINCode is the PIN code (PIN码) of a corporate customer (AUTH-001).
const PINCode Factor = "pin_code"

type pinCode struct{ sealedProof }

func (pinCode) name() Factor { return PINCode }

// The standard gives the PIN code no cap, so it has the lowest cap of all.
func (pinCode) cap() money.Fen      { return CapSMS }
func (pinCode) day() limit.Kind     { return limit.TransferSMS }
func (pinCode) begin(Proof) attempt { return new(pinAttempt) }

type pinAttempt struct {
	tried password.PINAttempt
	guess guess
}

func (a *pinAttempt) load(v *Verification, batch *pgx.Batch) {
	a.guess = guess{}
	a.tried = password.PINAttempt{
		CustomerID: v.CustomerID, IntentID: v.Confirmation.IntentID, DeviceID: v.DeviceID, Operation: v.Operation, Now: v.Now,
	}
	a.tried.CountPIN(batch)
}

func (a *pinAttempt) waits() bool { return a.tried.Verdict == password.TradeWait }

// A customer without a PIN code, or with one that the bank has given, gets the answer of a locked one.
func (a *pinAttempt) verify(ctx context.Context, v *Verification, _ *keys.Ring) error {
	if !a.tried.Counted() {
		return LockedUntil(ErrPINLocked, a.tried.Until, a.tried.Now)
	}
	v.lockEnded = v.lockEnded || a.tried.Verdict == password.TradeReopened
	var err error
	a.guess, err = v.compare(ctx, PINCode, a.tried.CheckPIN)
	return err
}

func (a *pinAttempt) settle(unit *pg.Unit) {
	switch {
	case !a.tried.Counted():
	case a.guess.wrong():
		a.tried.FailPIN(unit)
	case a.guess.right:
		a.consume(unit, a.tried.CustomerID)
	default:
		a.tried.ReleasePIN(unit)
	}
	a.tried.Verdict = "" // settled once
}

func (a *pinAttempt) left() (int, *time.Time, bool) { return a.tried.Left, a.tried.Until, true }

// consume settles the right guess. The code itself stays valid; the intent is used once.
func (a *pinAttempt) consume(unit *pg.Unit, customer uuid.UUID) {
	password.ResetPINAttempts(unit, customer)
}

func (a *pinAttempt) nowLocked() bool { return a.guess.wrong() && a.tried.Until != nil }
func (a *pinAttempt) damaged() bool   { return a.tried.Damaged }

func (a *pinAttempt) stale() bool { return a.tried.Stale() }

func (a *pinAttempt) rehash(ctx context.Context, turn *password.Turn, unit *pg.Unit) error {
	return a.tried.RehashPIN(ctx, turn, unit)
}
