package stepup

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/token"
)

// Token is the response of the customer's dynamic token to the challenge of the intent.
const Token Factor = "token"

// CapToken is the largest amount of one transfer by dynamic token: 1,000,000.00 CNY
// (LIMIT-003, 增强身份认证要求). The policy's transfer.token.day_cap holds the same figure for
// the sum of a day; a higher figure has no effect.
const CapToken money.Fen = 1_000_000_00

// TokenBind is the function that puts a token into use. Only there, a token confirms that is
// not yet in use.
const TokenBind = "identity-token-bind"

type dynamicToken struct{}

func (dynamicToken) name() Factor    { return Token }
func (dynamicToken) cap() money.Fen  { return CapToken }
func (dynamicToken) day() limit.Kind { return limit.TransferToken }
func (dynamicToken) begin(p Proof) attempt {
	return &tokenAttempt{tried: token.Attempt{Response: p.Code}}
}

func (dynamicToken) lacks(p Proof) string {
	if p.Code == "" {
		return "code"
	}
	return ""
}

type tokenAttempt struct {
	tried token.Attempt
	guess guess
}

func (a *tokenAttempt) load(v *Verification, batch *pgx.Batch) {
	a.guess = guess{}
	a.tried = token.Attempt{
		CustomerID: v.CustomerID, Binds: v.Operation == TokenBind, Response: a.tried.Response, Now: v.Now,
	}
	a.tried.CountToken(batch)
}

func (a *tokenAttempt) waits() bool { return a.tried.Verdict == token.Wait }

// The challenge is made from the intent's text, so the response confirms only this text
// (AUTH-016).
func (a *tokenAttempt) verify(_ context.Context, v *Verification, ring *keys.Ring) error {
	if a.tried.Verdict == token.Locked {
		return LockedUntil(ErrTokenLocked, a.tried.Until, a.tried.Now)
	}
	v.lockEnded = v.lockEnded || a.tried.Verdict == token.Reopened
	right, err := a.tried.Answers(ring, token.Challenge(v.found.Text))
	if err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	a.guess = guess{compared: a.tried.Counted(), right: right}
	if !right {
		return ErrProofRejected
	}
	return nil
}

// settle gives back the count of a right response: the call was refused for another reason.
func (a *tokenAttempt) settle(unit *pg.Unit) {
	switch {
	case !a.tried.Counted():
	case a.guess.wrong():
		a.tried.FailResponse(unit)
	default:
		a.tried.ReleaseResponse(unit)
	}
	a.tried.Verdict = "" // settled once
}

// left tells nothing of a token that the customer does not have.
func (a *tokenAttempt) left() (int, *time.Time, bool) {
	return a.tried.Left, a.tried.Until, a.guess.compared
}

// consume settles the right response. It is used up with the intent, whose challenge it
// answers.
func (a *tokenAttempt) consume(unit *pg.Unit, _ uuid.UUID) { a.tried.AcceptResponse(unit) }

func (a *tokenAttempt) nowLocked() bool { return a.guess.wrong() && a.tried.Until != nil }
func (a *tokenAttempt) damaged() bool   { return a.tried.Damaged }
