package stepup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
)

// storedSecret is an attempt at a secret that the bank stores: a password or a token's seed.
type storedSecret interface {
	attempt
	nowLocked() bool // this guess has begun a lock
	damaged() bool   // the bank can't read the stored text
}

// open opens the sealed password of a proof.
type open func(ring *keys.Ring, id channel.ID, field string, sealed []byte) ([]byte, error)

// sealedPasswords are the factors whose proof is a sealed password.
var sealedPasswords = map[Factor]open{TradePassword: password.OpenDigits, LoginPassword: password.OpenField}

// openPasswords opens the passwords among the proofs. A password that is not sealed for
// this channel is the app's fault and no guess: ErrUnsealed names its field. A trade
// password that is not six digits is no guess either: INPUT_INVALID.
func (v *Verification) openPasswords(ring *keys.Ring) error {
	v.passwords = make(map[Factor][]byte)
	for i, p := range v.Confirmation.Proofs {
		open, sealed := sealedPasswords[p.Factor]
		if !sealed {
			continue
		}
		clear, err := open(ring, v.Channel, fmt.Sprintf("proofs[%d].password", i), p.Password)
		if err != nil && !errors.Is(err, password.ErrUnsealed) && !errors.Is(err, bankerr.ErrInput) {
			return bankerr.ErrInternal.Because(err)
		}
		if err != nil {
			return err
		}
		v.passwords[p.Factor] = clear
	}
	return nil
}

// sealedProof is what the factors of stored passwords ask of a proof.
type sealedProof struct{}

func (sealedProof) lacks(p Proof) string {
	if len(p.Password) == 0 {
		return "password"
	}
	return ""
}

// compare compares the opened password of a proof with the stored one. The guess is the zero
// value if the bank could not compare.
func (v *Verification) compare(
	ctx context.Context, name Factor, check func(turn *password.Turn, guess []byte) (right bool, err error),
) (guess, error) {
	turn, err := v.Passwords.Begin(ctx)
	if err != nil {
		return guess{}, err
	}
	defer turn.End()
	right, err := check(turn, v.passwords[name])
	if err != nil {
		return guess{}, bankerr.ErrInternal.Because(err)
	}
	if !right {
		return guess{compared: true}, ErrProofRejected
	}
	return guess{compared: true, right: true}, nil
}

// LockedUntil adds the end of a lock to its refusal, if the lock has an end.
func LockedUntil(refusal *bankerr.Error, until *time.Time, now time.Time) error {
	if until == nil {
		return refusal
	}
	return refusal.WithRetryAfter(until.Sub(now)).Because(&AttemptsError{LockedUntil: *until})
}
