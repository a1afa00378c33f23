// Package keys is the bank's key hierarchy: one root, key-encryption and MAC
// keys by purpose beneath it, and data keys by customer beneath those.
//
// Each purpose has keys of its own and no key serves two purposes (KEY-008). A Ring
// holds the keys of the purposes that its process declared. Callers name a purpose
// and get a result; no method returns a private key or a key of a purpose.
// Ciphertexts and MACs carry the suite and the id of their key. So keys rotate
// online: a new key is in the key file before its time comes to write, and every process
// reads the changed file while it serves. Older keys still read until they are retired. AAD
// binds a ciphertext to its place (table, column, row).
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
	"slices"
	"strconv"
	"strings"
	"time"

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
	seal sm.Key
	mac  []byte // 32 bytes
}

// opened holds the keys of one purpose: secrets, pairs or MAC keys, by its kind. The
// oldest key comes first.
type opened struct {
	secrets []versioned[secret] // the first key makes blind indexes
	pairs   []versioned[pair]   // the purpose Channel has one here, its current pair
	mac     mac
}

// Ring holds the opened keys of a process, or of one function in it. It takes up keys that
// are added to the key file or retired while the process runs (Reload).
type Ring struct {
	source  *source
	allowed []Purpose
}

// Only returns a view with these purposes only, for one function of a process
// that several share. It panics with ErrPurpose on a purpose that the ring lacks.
func (r *Ring) Only(purposes ...Purpose) *Ring {
	for _, p := range purposes {
		if !slices.Contains(r.allowed, p) {
			panic(notDeclared(p))
		}
	}
	return &Ring{source: r.source, allowed: slices.Clone(purposes)}
}

// get returns the keys of a purpose as they are now. They are empty if the purpose was not
// declared.
func (r *Ring) get(p Purpose) (found opened, ok bool) {
	if !slices.Contains(r.allowed, p) {
		return opened{}, false
	}
	found, ok = r.source.held.Load().opened[p]
	return found, ok
}

func notDeclared(p Purpose) error { return fmt.Errorf("%w: %s", ErrPurpose, p) }

func (r *Ring) now() time.Time { return r.source.clock.Now() }

// Public returns the public key of a key pair: Channel or Password. It panics with
// ErrPurpose on any other purpose.
func (r *Ring) Public(p Purpose) *sm.PublicKey {
	held, _ := r.get(p)
	if len(held.pairs) == 0 {
		panic(notDeclared(p))
	}
	return writing(held.pairs, r.now()).key.public()
}

// Certificate is the X.509 certificate (DER) of the current channel key, which apps pin.
// It panics with ErrPurpose without the purpose Channel.
func (r *Ring) Certificate() []byte { return r.ChannelKeys()[0].Certificate }

// Sign signs a message of at least one byte (SM2 with SM3, DER) with the private key
// of the purpose. Only the purpose Channel signs, with its current key (ChannelKeys).
func (r *Ring) Sign(p Purpose, message []byte) ([]byte, error) {
	held, ok := r.get(p)
	if !ok || p.kind() != signing {
		return nil, notDeclared(p)
	}
	signature, err := held.pairs[0].key.sign(message)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", p, err)
	}
	return signature, nil
}

// Decrypt decrypts a ciphertext (SM2, ASN.1) with the private key of the purpose.
// Only the purpose Password decrypts. A ciphertext does not name its key, so that Decrypt
// tries the newest key first. It returns ErrOpen for a ciphertext that no key opens. Any
// other error means that a key can't be used.
func (r *Ring) Decrypt(p Purpose, sealed []byte) (clear []byte, err error) {
	held, ok := r.get(p)
	if !ok || p.kind() != decrypting {
		return nil, notDeclared(p)
	}
	for _, v := range slices.Backward(held.pairs) {
		if clear, err = v.key.decrypt(sealed); !errors.Is(err, ErrOpen) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", p, err)
	}
	return clear, nil
}

// current returns the key that a symmetric purpose writes with.
func (r *Ring) current(p Purpose) (versioned[secret], error) {
	held, _ := r.get(p)
	if len(held.secrets) == 0 {
		return versioned[secret]{}, notDeclared(p)
	}
	return writing(held.secrets, r.now()), nil
}

// secret returns the key of a symmetric purpose with the id. If there is none, it looks for
// newer keys once.
func (r *Ring) secret(p Purpose, id uint16) (key secret, found bool) {
	found = r.source.finds(func(h *held) (found bool) {
		key, found = find(h.opened[p].secrets, id)
		return found
	})
	return key, found
}

// MAC returns the HMAC-SM3 of the parts under the purpose's current key, and the id
// of that key.
func (r *Ring) MAC(p Purpose, parts ...[]byte) (sum []byte, keyID string) {
	s, err := r.current(p)
	if err != nil {
		panic(err)
	}
	return sm.MAC(s.key.mac, parts...), keyName(p, s.id)
}

// VerifyMAC returns ErrMAC unless sum is the MAC of the parts under the named key.
func (r *Ring) VerifyMAC(p Purpose, keyID string, sum []byte, parts ...[]byte) error {
	if _, ok := r.get(p); !ok {
		return notDeclared(p)
	}
	id, ok := keyNumber(p, keyID)
	if !ok {
		return ErrMAC
	}
	s, found := r.secret(p, id)
	if !found || !hmac.Equal(sm.MAC(s.mac, parts...), sum) {
		return ErrMAC
	}
	return nil
}

// VerifyAnyMAC returns ErrMAC unless sum is the MAC of the parts under any key of the
// purpose, for a MAC that was kept for minutes and without the id of its key.
func (r *Ring) VerifyAnyMAC(p Purpose, sum []byte, parts ...[]byte) error {
	if _, ok := r.get(p); !ok {
		return notDeclared(p)
	}
	made := func(v versioned[secret]) bool { return hmac.Equal(sm.MAC(v.key.mac, parts...), sum) }
	if r.source.finds(func(h *held) bool { return slices.ContainsFunc(h.opened[p].secrets, made) }) {
		return nil
	}
	return ErrMAC
}

// SumKey returns the id of the key that the purpose writes with, for Sum. Only the purpose
// Pepper has such keys.
func (r *Ring) SumKey(p Purpose) (keyID string, err error) {
	held, _ := r.get(p)
	if held.mac == nil {
		return "", notDeclared(p)
	}
	return keyName(p, held.mac.current(r.now())), nil
}

// Sum returns the HMAC-SM3 of the message under the named key of the purpose. The key
// stays with the provider. It returns ErrMAC if there is no such key. Any other error
// means that the key can't be used.
func (r *Ring) Sum(p Purpose, keyID string, message []byte) ([]byte, error) {
	if held, _ := r.get(p); held.mac == nil {
		return nil, notDeclared(p)
	}
	id, ok := keyNumber(p, keyID)
	if !ok {
		return nil, ErrMAC
	}
	var sum []byte
	var err error
	r.source.finds(func(h *held) bool {
		sum, err = h.opened[p].mac.sum(id, message)
		return !errors.Is(err, ErrMAC)
	})
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", p, err)
	}
	return sum, nil
}

func keyName(p Purpose, id uint16) string { return fmt.Sprintf("%s/%d", p, id) }

// keyNumber reads a name that keyName has made.
func keyNumber(p Purpose, name string) (id uint16, ok bool) {
	number, err := strconv.ParseUint(strings.TrimPrefix(name, string(p)+"/"), 10, 16)
	return uint16(number), err == nil && keyName(p, uint16(number)) == name
}

// Derive returns 16 bytes that depend on the parts and on the key that the purpose wrote
// with at a time. So a one-time code that was issued before a rotation is good after it.
func (r *Ring) Derive(p Purpose, at time.Time, parts ...[]byte) []byte {
	held, _ := r.get(p)
	if len(held.secrets) == 0 {
		panic(notDeclared(p))
	}
	return sm.MAC(writing(held.secrets, at).key.mac, parts...)[:16]
}

// BlindIndex returns the look-up value of a personal field. Equal values have equal
// indexes, and an index reveals nothing without the key. It uses the first key of the
// purpose BlindIndex, because stored indexes must not change when keys rotate.
func (r *Ring) BlindIndex(field, value string) []byte {
	held, _ := r.get(BlindIndex)
	if len(held.secrets) == 0 {
		panic(notDeclared(BlindIndex))
	}
	return sm.MAC(held.secrets[0].key.mac, []byte(field), []byte(value))
}

// Seal encrypts for a place, under a key that is derived for this place from the
// purpose's current key. The AAD names the place (AAD).
func (r *Ring) Seal(p Purpose, aad, plaintext []byte) ([]byte, error) {
	s, err := r.current(p)
	if err != nil {
		return nil, err
	}
	key, err := sm.Subkey(s.key.seal, aad)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return sealWith(key, suitePlace, s.id, aad, plaintext)
}

// Open decrypts a ciphertext that Seal made for the same purpose and place. It
// returns ErrOpen for any other bytes.
func (r *Ring) Open(p Purpose, aad, sealed []byte) ([]byte, error) {
	if _, ok := r.get(p); !ok {
		return nil, notDeclared(p)
	}
	id, ok := SealedBy(sealed)
	if !ok {
		return nil, ErrOpen
	}
	s, found := r.secret(p, id)
	if !found {
		return nil, ErrOpen
	}
	key := s.seal
	if sealed[0] == suitePlace {
		var err error
		if key, err = sm.Subkey(s.seal, aad); err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
	}
	return openWith(key, aad, sealed)
}

// SealedBy returns the id of the key that a ciphertext names.
func SealedBy(sealed []byte) (id uint16, ok bool) {
	if len(sealed) < 3 || sealed[0] != suitePlace && sealed[0] != suiteKey {
		return 0, false
	}
	return binary.BigEndian.Uint16(sealed[1:3]), true
}

// WritesWith returns the id of the key that a symmetric purpose writes with.
func (r *Ring) WritesWith(p Purpose) (keyID string, err error) {
	s, err := r.current(p)
	return keyName(p, s.id), err
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
