// Package keys is the bank's key hierarchy: one root, key-encryption and MAC
// keys by purpose beneath it, and data keys by customer beneath those.
//
// Each purpose has keys of its own and no key serves two purposes (KEY-008). A Ring
// holds the keys of the purposes that its process declared. Callers name a purpose
// and get a result; no method returns a private key or a key of a purpose.
// Ciphertexts and MACs carry the suite and the id of their key. So keys rotate
// online: the newest key of a purpose writes, and older keys still read. AAD binds a
// ciphertext to its place (table, column, row).
//
// The root, the private keys and the keys of the purpose Pepper belong to a provider:
// today a local file of mode 0600, which the command `tide keys create` makes. A KMS or an HSM replaces it in
// production. A Ring is safe for concurrent use. An error may name the purpose, but
// never a key, a text or its place.
//
// Using a purpose that was not declared is a fault of the program. Methods with an
// error result return ErrPurpose; methods without an error result panic with it.
//
// Source: KEY-002, KEY-006, KEY-008, CRYPTO-012, CRYPTO-019.
package keys

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidebank/tidebank/shared/sm"
)

// Errors.
var (
	ErrOpen    = errors.New("keys: does not open")
	ErrMAC     = errors.New("keys: MAC does not hold")
	ErrPurpose = errors.New("keys: purpose not declared for this use")
)

// A suite identifies the algorithm of a ciphertext. Both are SM4-GCM with a random
// nonce. A place has a key of its own, which is derived from the key of the purpose,
// so that no key meets more nonces than one place writes.
const (
	suiteKey   = 1 // under the key itself: data keys, and ciphertexts of before suitePlace
	suitePlace = 2 // under the key of the place that the AAD names
)

// secret is one symmetric key of a purpose: halves for sealing and for MACs.
type secret struct {
	id   uint16
	seal sm.Key
	mac  []byte // 32 bytes
}

// opened holds the keys of one purpose: secrets, a pair or MAC keys, by its kind.
type opened struct {
	secrets []secret // the first key makes blind indexes, the last key writes
	pair    pair
	mac     mac
}

// Ring holds the opened keys of a process, or of one function in it.
type Ring struct {
	opened  map[Purpose]opened
	channel []ChannelKey // the current one first
}

// Only returns a view with these purposes only, for one function of a process
// that several share. It panics with ErrPurpose on a purpose that the ring lacks.
func (r *Ring) Only(purposes ...Purpose) *Ring {
	view := &Ring{opened: map[Purpose]opened{}}
	for _, p := range purposes {
		held, ok := r.opened[p]
		if !ok {
			panic(notDeclared(p))
		}
		view.opened[p] = held
		if p == Channel {
			view.channel = r.channel
		}
	}
	return view
}

func notDeclared(p Purpose) error { return fmt.Errorf("%w: %s", ErrPurpose, p) }

// Public returns the public key of a key pair: Channel or Password. It panics with
// ErrPurpose on any other purpose.
func (r *Ring) Public(p Purpose) *sm.PublicKey {
	held := r.opened[p]
	if held.pair == nil {
		panic(notDeclared(p))
	}
	return held.pair.public()
}

// Certificate is the X.509 certificate (DER) of the current channel key, which apps pin.
// It panics with ErrPurpose without the purpose Channel.
func (r *Ring) Certificate() []byte { return r.ChannelKeys()[0].Certificate }

// Sign signs a message of at least one byte (SM2 with SM3, DER) with the private key
// of the purpose. Only the purpose Channel signs, with its current key (ChannelKeys).
func (r *Ring) Sign(p Purpose, message []byte) ([]byte, error) {
	held, ok := r.opened[p]
	if !ok || p.kind() != signing {
		return nil, notDeclared(p)
	}
	signature, err := held.pair.sign(message)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", p, err)
	}
	return signature, nil
}

// Decrypt decrypts a ciphertext (SM2, ASN.1) with the private key of the purpose.
// Only the purpose Password decrypts. It returns ErrOpen for a ciphertext that the
// key does not open. Any other error means that the key can't be used.
func (r *Ring) Decrypt(p Purpose, sealed []byte) ([]byte, error) {
	held, ok := r.opened[p]
	if !ok || p.kind() != decrypting {
		return nil, notDeclared(p)
	}
	clear, err := held.pair.decrypt(sealed)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", p, err)
	}
	return clear, nil
}

// current returns the key that a symmetric purpose writes with.
func (r *Ring) current(p Purpose) (secret, error) {
	list := r.opened[p].secrets
	if len(list) == 0 {
		return secret{}, notDeclared(p)
	}
	return list[len(list)-1], nil
}

// MAC returns the HMAC-SM3 of the parts under the purpose's current key, and the id
// of that key.
func (r *Ring) MAC(p Purpose, parts ...[]byte) (sum []byte, keyID string) {
	s, err := r.current(p)
	if err != nil {
		panic(err)
	}
	return sm.MAC(s.mac, parts...), keyName(p, s.id)
}

// VerifyMAC returns ErrMAC unless sum is the MAC of the parts under the named key.
func (r *Ring) VerifyMAC(p Purpose, keyID string, sum []byte, parts ...[]byte) error {
	held, ok := r.opened[p]
	if !ok {
		return notDeclared(p)
	}
	for _, s := range held.secrets {
		if keyName(p, s.id) == keyID && hmac.Equal(sm.MAC(s.mac, parts...), sum) {
			return nil
		}
	}
	return ErrMAC
}

// SumKey returns the id of the newest key of the purpose, for Sum. Only the purpose
// Pepper has such keys.
func (r *Ring) SumKey(p Purpose) (keyID string, err error) {
	held := r.opened[p]
	if held.mac == nil {
		return "", notDeclared(p)
	}
	return keyName(p, held.mac.current()), nil
}

// Sum returns the HMAC-SM3 of the message under the named key of the purpose. The key
// stays with the provider. It returns ErrMAC if there is no such key. Any other error
// means that the key can't be used.
func (r *Ring) Sum(p Purpose, keyID string, message []byte) ([]byte, error) {
	held := r.opened[p]
	if held.mac == nil {
		return nil, notDeclared(p)
	}
	id, err := strconv.ParseUint(strings.TrimPrefix(keyID, string(p)+"/"), 10, 16)
	if err != nil || keyName(p, uint16(id)) != keyID {
		return nil, ErrMAC
	}
	sum, err := held.mac.sum(uint16(id), message)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", p, err)
	}
	return sum, nil
}

func keyName(p Purpose, id uint16) string { return fmt.Sprintf("%s/%d", p, id) }

// Derive returns 16 bytes that depend on the parts and on the purpose's current key.
// It returns no key id: a one-time code expires before the key rotates.
func (r *Ring) Derive(p Purpose, parts ...[]byte) []byte {
	s, err := r.current(p)
	if err != nil {
		panic(err)
	}
	return sm.MAC(s.mac, parts...)[:16]
}

// BlindIndex returns the look-up value of a personal field. Equal values have equal
// indexes, and an index reveals nothing without the key. It uses the first key of the
// purpose BlindIndex, because stored indexes must not change when keys rotate.
func (r *Ring) BlindIndex(field, value string) []byte {
	list := r.opened[BlindIndex].secrets
	if len(list) == 0 {
		panic(notDeclared(BlindIndex))
	}
	return sm.MAC(list[0].mac, []byte(field), []byte(value))
}

// Seal encrypts for a place, under a key that is derived for this place from the
// purpose's current key. The AAD names the place (AAD).
func (r *Ring) Seal(p Purpose, aad, plaintext []byte) ([]byte, error) {
	s, err := r.current(p)
	if err != nil {
		return nil, err
	}
	key, err := sm.Subkey(s.seal, aad)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return sealWith(key, suitePlace, s.id, aad, plaintext)
}

// Open decrypts a ciphertext that Seal made for the same purpose and place. It
// returns ErrOpen for any other bytes.
func (r *Ring) Open(p Purpose, aad, sealed []byte) ([]byte, error) {
	held, ok := r.opened[p]
	if !ok {
		return nil, notDeclared(p)
	}
	if len(sealed) < 3 {
		return nil, ErrOpen
	}
	id := binary.BigEndian.Uint16(sealed[1:3])
	for _, s := range held.secrets {
		switch {
		case s.id == id && sealed[0] == suitePlace:
			key, err := sm.Subkey(s.seal, aad)
			if err != nil {
				return nil, fmt.Errorf("keys: %w", err)
			}
			return openWith(key, aad, sealed)
		case s.id == id && sealed[0] == suiteKey:
			return openWith(s.seal, aad, sealed)
		}
	}
	return nil, ErrOpen
}

// SealedByCurrent reports whether Seal would use the same key of the purpose today. It
// is false for a text that an older key has sealed.
func (r *Ring) SealedByCurrent(p Purpose, sealed []byte) bool {
	s, err := r.current(p)
	return err == nil && len(sealed) >= 3 && sealed[0] == suitePlace && binary.BigEndian.Uint16(sealed[1:3]) == s.id
}

func sealWith(k sm.Key, suite byte, id uint16, aad, plaintext []byte) ([]byte, error) {
	sealed, err := sm.Seal(k, plaintext, aad)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return append(binary.BigEndian.AppendUint16([]byte{suite}, id), sealed...), nil
}

func openWith(k sm.Key, aad, sealed []byte) ([]byte, error) {
	plaintext, err := sm.Open(k, sealed[3:], aad)
	if err != nil {
		return nil, openError(err)
	}
	return plaintext, nil
}

// openError returns ErrOpen for a ciphertext that does not open, and keeps the error
// of a crypto module that has shut.
func openError(err error) error {
	if errors.Is(err, sm.ErrModule) {
		return fmt.Errorf("keys: %w", err)
	}
	return ErrOpen
}
