// Package keys is the bank's key hierarchy: one root, key-encryption and MAC
// keys by purpose beneath it, and data keys by customer beneath those.
//
// Each purpose has keys of its own and none serves two (KEY-008). What a Ring
// makes carries the suite and the id of its key, so that keys rotate online:
// several per purpose may be read, the newest writes. AAD binds a ciphertext to
// its place (table, column, row). The local provider keeps the root in a file of
// mode 0600 made at first run; a KMS replaces it in production. A Ring is safe
// for concurrent use. Errors say only that something did not open.
//
// Source: KEY-002, KEY-006, KEY-008, CRYPTO-012, CRYPTO-019.
package keys

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tidebank/tidebank/shared/sm"
)

// Purpose is what a key is for.
type Purpose string

// The purposes. Channel signs handshakes and Password opens sealed passwords;
// these two are SM2 key pairs, the others symmetric.
const (
	Channel    Purpose = "channel"
	Password   Purpose = "password"
	Storage    Purpose = "storage"
	BlindIndex Purpose = "blind-index"
	OTP        Purpose = "otp"
	Session    Purpose = "session"
	Audit      Purpose = "audit"
	Ledger     Purpose = "ledger"
	Event      Purpose = "event"
	Partner    Purpose = "partner"
)

var symmetric = []Purpose{Storage, BlindIndex, OTP, Session, Audit, Ledger, Event, Partner}

var pairs = []Purpose{Channel, Password}

// All lists every purpose.
func All() []Purpose { return append(append([]Purpose(nil), symmetric...), pairs...) }

// Errors.
var (
	ErrOpen = errors.New("keys: does not open")
	ErrMAC  = errors.New("keys: MAC does not hold")
)

// suite says how a ciphertext was made: 1 is SM4-GCM.
const suite = 1

// secret is one symmetric key of a purpose: halves for sealing and for MACs.
type secret struct {
	id   uint16
	seal sm.Key
	mac  []byte // 32 bytes
}

// Ring holds the opened keys of a process.
type Ring struct {
	secrets     map[Purpose][]secret // the last one writes
	signers     map[Purpose]*sm.PrivateKey
	certificate []byte
}

// Signer returns the key pair of a purpose: Channel or Password.
func (r *Ring) Signer(p Purpose) *sm.PrivateKey { return r.signers[p] }

// Certificate is the X.509 certificate (DER) of the channel key, which apps pin.
func (r *Ring) Certificate() []byte { return r.certificate }

func (r *Ring) current(p Purpose) secret {
	list := r.secrets[p]
	return list[len(list)-1]
}

func (r *Ring) find(p Purpose, id uint16) (secret, bool) {
	for _, s := range r.secrets[p] {
		if s.id == id {
			return s, true
		}
	}
	return secret{}, false
}

// MAC is HMAC-SM3 under the purpose's current key, whose id comes along.
func (r *Ring) MAC(p Purpose, parts ...[]byte) (sum []byte, keyID string) {
	s := r.current(p)
	return sm.MAC(s.mac, parts...), keyName(p, s.id)
}

// CheckMAC refuses a sum that is not the named key's over the parts.
func (r *Ring) CheckMAC(p Purpose, keyID string, sum []byte, parts ...[]byte) error {
	for _, s := range r.secrets[p] {
		if keyName(p, s.id) == keyID && hmac.Equal(sm.MAC(s.mac, parts...), sum) {
			return nil
		}
	}
	return ErrMAC
}

func keyName(p Purpose, id uint16) string { return fmt.Sprintf("%s/%d", p, id) }

// Derive gives 16 bytes that only this purpose's current key can give for the
// parts; key ids don't matter to what lives as briefly as an OTP.
func (r *Ring) Derive(p Purpose, parts ...[]byte) []byte {
	return sm.MAC(r.current(p).mac, parts...)[:16]
}

// BlindIndex is the look-up value of a personal field: equal for equal values,
// and meaningless without the key. It never rotates silently, so it is made with
// the purpose's first key.
func (r *Ring) BlindIndex(field, value string) []byte {
	return sm.MAC(r.secrets[BlindIndex][0].mac, []byte(field), []byte(value))
}

// Seal encrypts under the purpose's current key.
func (r *Ring) Seal(p Purpose, aad, plaintext []byte) ([]byte, error) {
	s := r.current(p)
	return sealWith(s.seal, s.id, aad, plaintext)
}

// Open opens what Seal made for the same purpose and place.
func (r *Ring) Open(p Purpose, aad, sealed []byte) ([]byte, error) {
	if len(sealed) < 3 || sealed[0] != suite {
		return nil, ErrOpen
	}
	s, ok := r.find(p, binary.BigEndian.Uint16(sealed[1:3]))
	if !ok {
		return nil, ErrOpen
	}
	return openWith(s.seal, aad, sealed)
}

func sealWith(k sm.Key, id uint16, aad, plaintext []byte) ([]byte, error) {
	sealed, err := sm.Seal(k, plaintext, aad)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return append(binary.BigEndian.AppendUint16([]byte{suite}, id), sealed...), nil
}

func openWith(k sm.Key, aad, sealed []byte) ([]byte, error) {
	plaintext, err := sm.Open(k, sealed[3:], aad)
	if errors.Is(err, sm.ErrModule) {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// DataKey seals one customer's personal fields. Destroying its wrapped form
// erases them.
type DataKey struct{ key sm.Key }

// NewDataKey makes a data key, and its form wrapped by the storage key.
func (r *Ring) NewDataKey() (key DataKey, wrapped []byte, err error) {
	key = DataKey{sm.NewKey()}
	wrapped, err = r.Seal(Storage, dataKeyAAD(), key.key[:])
	return key, wrapped, err
}

// OpenDataKey unwraps a data key.
func (r *Ring) OpenDataKey(wrapped []byte) (DataKey, error) {
	raw, err := r.Open(Storage, dataKeyAAD(), wrapped)
	if err != nil || len(raw) != len(sm.Key{}) {
		return DataKey{}, ErrOpen
	}
	return DataKey{sm.Key(raw)}, nil
}

func dataKeyAAD() []byte { return []byte("data-key") }

// Seal encrypts a field of the customer.
func (k DataKey) Seal(aad, plaintext []byte) ([]byte, error) {
	return sealWith(k.key, 0, aad, plaintext)
}

// Open opens a field of the customer.
func (k DataKey) Open(aad, sealed []byte) ([]byte, error) {
	if len(sealed) < 3 || sealed[0] != suite {
		return nil, ErrOpen
	}
	return openWith(k.key, aad, sealed)
}

// AAD names the place of a sealed field, so that it opens nowhere else.
func AAD(table, column, row string) []byte { return []byte(table + "." + column + "." + row) }
