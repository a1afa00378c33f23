// Package shamir splits an SM4 key into shares by Shamir's scheme, and joins them.
//
// Any `threshold` shares give the key. Fewer shares tell nothing about it: each key fits
// them equally well. The polynomial is over the scalar field of P-256, whose 256 bits are
// more than a key has. Join does not know whether its shares are right, so that the caller
// compares a check value of the key.
//
// Only the operator's command uses it, so that no function contains its library.
//
// Source: KEY-003; A. Shamir, How to Share a Secret, 1979.
package shamir

import (
	"crypto/rand"
	"errors"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// MaxShares bounds the number of shares.
const MaxShares = 16

// Errors.
var (
	ErrNumbers = errors.New("shamir: want 2 to 16 shares, and a threshold from 2 to their number")
	ErrShares  = errors.New("shamir: these shares make no key")
)

// Scheme is Shamir's scheme, as keys.Split and keys.Join use it.
type Scheme struct{}

// Split makes shares of the key.
func (Scheme) Split(key sm.Key, shares, threshold int) ([]keys.Share, error) {
	if threshold < 2 || shares < threshold || shares > MaxShares {
		return nil, ErrNumbers
	}
	secret := group.P256.NewScalar()
	if err := secret.UnmarshalBinary(append(make([]byte, keys.ShareSize-len(key)), key[:]...)); err != nil {
		return nil, ErrShares
	}
	scheme := secretsharing.New(rand.Reader, uint(threshold-1), secret)
	var list []keys.Share
	for i, s := range scheme.Share(uint(shares)) {
		value, err := s.Value.MarshalBinary()
		if err != nil {
			return nil, ErrShares
		}
		list = append(list, keys.Share{Number: i + 1, Value: [keys.ShareSize]byte(value)})
	}
	return list, nil
}

// Join makes the key of as many different shares as the threshold. More shares are not
// needed, and are not looked at.
func (Scheme) Join(shares []keys.Share, threshold int) (sm.Key, error) {
	if threshold < 2 || threshold > MaxShares || len(shares) < threshold {
		return sm.Key{}, ErrNumbers
	}
	seen, list := map[int]bool{}, []secretsharing.Share(nil)
	for _, s := range shares[:threshold] {
		value := group.P256.NewScalar()
		if err := value.UnmarshalBinary(s.Value[:]); err != nil || seen[s.Number] || s.Number < 1 || s.Number > MaxShares {
			return sm.Key{}, ErrShares
		}
		seen[s.Number] = true
		list = append(list, secretsharing.Share{ID: group.P256.NewScalar().SetUint64(uint64(s.Number)), Value: value})
	}
	secret, err := secretsharing.Recover(uint(threshold-1), list)
	if err != nil {
		return sm.Key{}, ErrShares
	}
	raw, err := secret.MarshalBinary()
	if err != nil || len(raw) != keys.ShareSize {
		return sm.Key{}, ErrShares
	}
	for _, b := range raw[:keys.ShareSize-len(sm.Key{})] {
		if b != 0 {
			return sm.Key{}, ErrShares // some share is wrong
		}
	}
	return sm.Key(raw[keys.ShareSize-len(sm.Key{}):]), nil
}
