// Package password owns the tables credential and login_attempt: the passwords that
// customers chose, and how many wrong guesses they take.
//
// A password reaches the bank sealed to the password key and to its channel (Open),
// obeys the rules of New.Check, and rests as a PBKDF2-HMAC-SM3 text. Attempts to log
// in are counted by phone number, whether or not the number is a customer's, before
// anything looks at the guess. Refusal: PASSWORD_WEAK.
//
// Source: PWD-001 to PWD-003, PWD-012, PWD-018, AUTH-009 to AUTH-011.
package password

import (
	"crypto/hmac"
	"errors"
	"fmt"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// ErrSealed refuses a password that is not sealed to the bank and to this channel.
var ErrSealed = errors.New("password: not sealed for this channel")

// Open opens a password that the app sealed to the bank's password key for this
// channel. ErrSealed refuses any other text. Another error is no fault of the
// customer's: the key can't be used now.
func Open(ring *keys.Ring, id channel.ID, sealed []byte) ([]byte, error) {
	clear, err := ring.Decrypt(keys.Password, sealed)
	if err != nil && !errors.Is(err, keys.ErrOpen) {
		return nil, fmt.Errorf("password: %w", err)
	}
	if err != nil || len(clear) < len(id) || !hmac.Equal(clear[:len(id)], id[:]) {
		return nil, ErrSealed
	}
	return clear[len(id):], nil
}

// absent is a stored password that nothing matches.
const absent = "pbkdf2-sm3$10000$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Matches reports whether the guess is the stored password. Nothing matches the
// empty text, which costs the same work, so that the time does not tell whether there
// is a password.
func Matches(stored string, guess []byte) bool {
	if stored == "" {
		stored = absent
	}
	return sm.CheckPassword(stored, guess) == nil
}
