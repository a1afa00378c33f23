// Package password owns the tables credential, login_attempt, login_origin and
// card_attempt: the customers' passwords, and the counts of failed attempts.
//
// An app seals a password to the password key and for its channel (Open). New.Check
// holds the rules for new passwords. A Store hashes passwords, with a pepper, and seals
// the hashes for their places. A right guess at a password that is stored in an older way
// stores it anew. The bank counts attempts to log in by phone number and origin (shared/device), also for unknown numbers.
// Attempts with the right code also count by number alone. It counts an attempt before
// it compares the guess. Refusals: PASSWORD_WEAK,
// PASSWORD_UNSEALED.
//
// Source: PWD-001 to PWD-003, PWD-012, PWD-018, AUTH-009 to AUTH-011.
package password

import (
	"crypto/hmac"
	"errors"
	"fmt"

	"golang.org/x/text/width"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/keys"
)

// ErrUnsealed refuses a password that is not sealed to the bank's password key and for
// this channel: the app has a fault. The refusal depends on nothing that the bank
// stores, so it may come before login.
var ErrUnsealed = bankerr.New(bankerr.Invalid, "PASSWORD_UNSEALED")

// Open opens a password that the app sealed to the bank's password key for this
// channel. It returns ErrUnsealed for any other text. Any other error means that the
// bank can't use the key now.
func Open(ring *keys.Ring, id channel.ID, sealed []byte) ([]byte, error) {
	clear, err := ring.Decrypt(keys.Password, sealed)
	if err != nil && !errors.Is(err, keys.ErrOpen) {
		return nil, fmt.Errorf("password: %w", err)
	}
	if err != nil || len(clear) < len(id) || !hmac.Equal(clear[:len(id)], id[:]) {
		return nil, ErrUnsealed
	}
	return clear[len(id):], nil
}

// OpenField is Open for a field of a request: ErrUnsealed names the field.
func OpenField(ring *keys.Ring, id channel.ID, field string, sealed []byte) ([]byte, error) {
	clear, err := Open(ring, id, sealed)
	if errors.Is(err, ErrUnsealed) {
		return nil, ErrUnsealed.Because(&bankerr.FieldError{Field: field, Why: "not sealed for this channel"})
	}
	return clear, err
}

// OpenDigits is OpenField for a trade or card password: six digits. Full-width digits,
// which keyboards for Chinese write, become ASCII. Any other text can't be right and is no
// guess: INPUT_INVALID names the field, so refuse it before you count.
func OpenDigits(ring *keys.Ring, id channel.ID, field string, sealed []byte) ([]byte, error) {
	clear, err := OpenField(ring, id, field, sealed)
	if err != nil {
		return nil, err
	}
	if clear = width.Fold.Bytes(clear); len(clear) != tradeLength || !digits.Only(string(clear)) {
		return nil, bankerr.InvalidField(field, "not six digits")
	}
	return clear, nil
}
