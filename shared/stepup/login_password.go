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

// LoginPassword is the password with which the customer logs in. It confirms changes of the
// customer's own passwords, and no money (changes).
const LoginPassword Factor = "login_password"

type loginPassword struct{ sealedProof }

func (loginPassword) name() Factor        { return LoginPassword }
func (loginPassword) cap() money.Fen      { return 0 }
func (loginPassword) day() limit.Kind     { return "" }
func (loginPassword) begin(Proof) attempt { return new(loginPasswordAttempt) }

type loginPasswordAttempt struct {
	tried password.LoginProof
	guess guess
}

func (a *loginPasswordAttempt) load(v *Verification, batch *pgx.Batch) {
	a.guess = guess{}
	a.tried = password.LoginProof{
		CustomerID: v.CustomerID, IntentID: v.Confirmation.IntentID, DeviceID: v.DeviceID, Operation: v.Operation, Now: v.Now,
	}
	a.tried.CountProof(batch)
}

// waits is false: the guess is counted as failed until it proves right, as at a login.
func (*loginPasswordAttempt) waits() bool { return false }

func (a *loginPasswordAttempt) verify(ctx context.Context, v *Verification, _ *keys.Ring) error {
	if !a.tried.Counted {
		return LockedUntil(ErrLoginLocked, a.tried.Until, a.tried.Now)
	}
	v.lockEnded = v.lockEnded || a.tried.LockEnded
	var err error
	a.guess, err = v.compare(ctx, LoginPassword, a.tried.CompareProof)
	return err
}

func (a *loginPasswordAttempt) settle(unit *pg.Unit) {
	switch {
	case !a.tried.Counted, a.guess.wrong():
	case a.guess.right:
		a.tried.ResetProofs(unit)
	default:
		a.tried.ReleaseProof(unit)
	}
	a.tried.Counted = false // settled once
}

func (a *loginPasswordAttempt) left() (int, *time.Time, bool) {
	if !a.guess.wrong() {
		return a.tried.Left, nil, a.guess.compared
	}
	return a.tried.Left, a.tried.Until, true
}

// consume settles the right guess; the intent is used once.
func (a *loginPasswordAttempt) consume(unit *pg.Unit, _ uuid.UUID) { a.tried.ResetProofs(unit) }

func (a *loginPasswordAttempt) nowLocked() bool { return a.guess.wrong() && a.tried.Left == 0 }
func (a *loginPasswordAttempt) damaged() bool   { return a.tried.Damaged }
