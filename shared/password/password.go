// Package password owns the tables credential and login_attempt: the customers'
// passwords, and the counts of failed attempts.
//
// An app seals a password to the password key and for its channel (Open). New.Check
// holds the rules for new passwords. The database stores a PBKDF2-HMAC-SM3 text. The
// bank counts attempts to log in by phone number, also for unknown numbers. It counts
// an attempt before it compares the guess. Refusal: PASSWORD_WEAK.
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
// channel. It returns ErrSealed for any other text. Any other error means that the
// bank can't use the key now.
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

// absent is a stored password that no guess matches.
const absent = "pbkdf2-sm3$10000$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Matches reports whether the guess is the stored password. If stored is empty, no
// guess matches; the work is the same, so the time does not show whether a password
// exists.
func Matches(stored string, guess []byte) bool {
	if stored == "" {
		stored = absent
	}
	return sm.CheckPassword(stored, guess) == nil
}
