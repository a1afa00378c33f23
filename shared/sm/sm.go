// Package sm is the only package that uses cryptographic algorithms: SM2, SM3 and SM4
// with every parameter fixed.
//
// Callers never choose an algorithm, mode, padding, encoding or user id: signatures
// are SM2 with SM3 over ZA and user id 1234567812345678, DER; public-key ciphertext
// is ASN.1 (C1C3C2); symmetric sealing is SM4-GCM with a random 12-byte nonce in
// front; passwords are PBKDF2-HMAC-SM3. Keys are PKCS#8 and PKIX DER. ML-KEM-768 serves
// only beside SM2, for the channel's hybrid handshake. After a failed
// self-test, every operation returns only ErrModule. Operations without an error
// result panic with ErrModule, because a caller could use an empty digest or key
// (CRYPTO-005, CRYPTO-006). All functions are safe for concurrent use.
//
// Source: GB/T 32918-2016, GB/T 32905-2016, GB/T 32907-2016, GB/T 35276-2017; FIPS 203.
package sm

import (
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
	"github.com/emmansun/gmsm/smx509"
)

// Errors. They give no reason, because an attacker must not learn the reason.
var (
	ErrModule    = errors.New("sm: the module failed its self-test and is shut")
	ErrKey       = errors.New("sm: not a key of this kind")
	ErrSignature = errors.New("sm: signature does not hold")
	ErrOpen      = errors.New("sm: ciphertext does not open")
	ErrEmpty     = errors.New("sm: nothing to sign or encrypt")
	ErrPassword  = errors.New("sm: password does not match")
	ErrLength    = errors.New("sm: the algorithm has no keys of this length")
)

// PrivateKey is an SM2 private key.
type PrivateKey struct{ key *sm2.PrivateKey }

// PublicKey is an SM2 public key, parsed once.
type PublicKey struct{ key *ecdsa.PublicKey }

// GenerateKey makes a new SM2 key pair.
func GenerateKey() (*PrivateKey, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sm: generate key: %w", err)
	}
	return &PrivateKey{key}, nil
}

// Public returns the public half.
func (k *PrivateKey) Public() *PublicKey { return &PublicKey{&k.key.PublicKey} }

// Marshal writes the key as PKCS#8 DER.
func (k *PrivateKey) Marshal() ([]byte, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	der, err := smx509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return nil, fmt.Errorf("sm: marshal key: %w", err)
	}
	return der, nil
}

// ParsePrivateKey reads PKCS#8 DER.
func ParsePrivateKey(der []byte) (*PrivateKey, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	parsed, err := smx509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, ErrKey
	}
	key, ok := parsed.(*sm2.PrivateKey)
	if !ok {
		return nil, ErrKey
	}
	if _, err := key.ECDH(); err != nil { // the parser accepts the invalid values 0 and n-1
		return nil, ErrKey
	}
	return &PrivateKey{key}, nil
}

// Marshal writes the key as PKIX DER.
func (k *PublicKey) Marshal() ([]byte, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	der, err := smx509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		return nil, fmt.Errorf("sm: marshal key: %w", err)
	}
	return der, nil
}

// Equal reports whether both are the same key.
func (k *PublicKey) Equal(other *PublicKey) bool { return k.key.Equal(other.key) }

// ParsePublicKey reads PKIX DER and refuses every curve but SM2's.
func ParsePublicKey(der []byte) (*PublicKey, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	parsed, err := smx509.ParsePKIXPublicKey(der)
	if err != nil || !sm2.IsSM2PublicKey(parsed) {
		return nil, ErrKey
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, ErrKey
	}
	return &PublicKey{key}, nil
}

// Sign signs a message of at least one byte.
func Sign(k *PrivateKey, message []byte) ([]byte, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	if len(message) == 0 {
		return nil, ErrEmpty
	}
	signature, err := k.key.Sign(rand.Reader, message, sm2.DefaultSM2SignerOpts)
	if err != nil {
		return nil, fmt.Errorf("sm: sign: %w", err)
	}
	return signature, nil
}

// Verify returns an error unless the key has signed the message.
func Verify(k *PublicKey, message, signature []byte) error {
	if shut.Load() {
		return ErrModule
	}
	if !sm2.VerifyASN1WithSM2(k.key, nil, message, signature) {
		return ErrSignature
	}
	return nil
}

// Encrypt encrypts a short message of at least one byte to a public key.
func Encrypt(k *PublicKey, message []byte) ([]byte, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	if len(message) == 0 {
		return nil, ErrEmpty // the library would return an empty result without an error
	}
	ciphertext, err := sm2.EncryptASN1(rand.Reader, k.key, message)
	if err != nil {
		return nil, fmt.Errorf("sm: encrypt: %w", err)
	}
	return ciphertext, nil
}

// sequence is the first byte of every ASN.1 ciphertext.
const sequence = 0x30

// Decrypt decrypts a ciphertext of Encrypt.
func Decrypt(k *PrivateKey, ciphertext []byte) ([]byte, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	if len(ciphertext) == 0 || ciphertext[0] != sequence {
		return nil, ErrOpen // the library would also accept other encodings
	}
	message, err := sm2.Decrypt(k.key, ciphertext)
	if err != nil {
		return nil, ErrOpen
	}
	return message, nil
}

// Secret is the shared secret of two key pairs. Only Agree makes a Secret, so no key
// is derived from a password or a constant (KEY-002).
type Secret struct{ x []byte }

// Agree computes the secret that two key pairs share: the x coordinate of their
// Diffie-Hellman point, 32 bytes.
func Agree(own *PrivateKey, peer *PublicKey) (Secret, error) {
	if shut.Load() {
		return Secret{}, ErrModule
	}
	private, err := own.key.ECDH()
	if err != nil {
		return Secret{}, ErrKey
	}
	public, err := sm2.PublicKeyToECDH(peer.key)
	if err != nil {
		return Secret{}, ErrKey
	}
	x, err := private.ECDH(public)
	if err != nil {
		return Secret{}, ErrKey
	}
	return Secret{x}, nil
}

// mustBeOpen stops operations that can't return ErrModule.
func mustBeOpen() {
	if shut.Load() {
		panic(ErrModule)
	}
}

// Derive stretches a secret into n bytes bound to info, by the key derivation
// function of GB/T 32918.4-2016, 5.4.3. It panics with ErrKey on a Secret that Agree
// did not make.
func Derive(secret Secret, info []byte, n int) []byte {
	mustBeOpen()
	if len(secret.x) == 0 {
		panic(ErrKey)
	}
	z := make([]byte, 0, len(secret.x)+len(info))
	return sm3.Kdf(append(append(z, secret.x...), info...), n)
}

// Digest is SM3 over the parts, one after the other.
func Digest(parts ...[]byte) []byte {
	mustBeOpen()
	h := sm3.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// MAC is HMAC-SM3 over the parts, each preceded by its length, so that no two
// lists of parts give the same input.
func MAC(key []byte, parts ...[]byte) []byte {
	mustBeOpen()
	h := hmac.New(sm3.New, key)
	for _, p := range parts {
		n := len(p)
		h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		h.Write(p)
	}
	return h.Sum(nil)
}

// Key is an SM4 key.
type Key [16]byte

// Subkey derives a key for one use from a key: the first half of the MAC of the use.
func Subkey(k Key, use []byte) (Key, error) {
	if shut.Load() {
		return Key{}, ErrModule
	}
	return Key(MAC(k[:], use)[:len(k)]), nil
}

// NewKey makes a random key. It panics when the system's random source fails.
func NewKey() Key {
	mustBeOpen()
	var k Key
	if _, err := io.ReadFull(rand.Reader, k[:]); err != nil {
		panic(fmt.Errorf("sm: new key: %w", err))
	}
	return k
}

// Algorithm is a symmetric algorithm, for NewSecret.
type Algorithm string

// The algorithms.
const (
	SM4     Algorithm = "SM4"      // keys of 16 bytes (GB/T 32907-2016)
	HMACSM3 Algorithm = "HMAC-SM3" // keys of 32 to 64 bytes: a digest to a block (GB/T 15852.2-2012)
)

// allows reports whether the algorithm has keys of the length.
func (a Algorithm) allows(length int) bool {
	switch a {
	case SM4:
		return length == len(Key{})
	case HMACSM3:
		return length >= sm3.Size && length <= sm3.BlockSize
	}
	return false
}

// NewSecret makes a random key of a length in bytes. It returns ErrLength for a length
// that the algorithm does not allow (KEY-001).
func NewSecret(a Algorithm, length int) ([]byte, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	if !a.allows(length) {
		return nil, fmt.Errorf("%w: %s, %d bytes", ErrLength, a, length)
	}
	key := make([]byte, length)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return key, nil
}

// NonceSize and Overhead are SM4-GCM's, in bytes.
const (
	NonceSize = 12
	Overhead  = 16
)

// NewAEAD returns SM4-GCM for the channel only. The channel counts its nonces, so
// they never repeat. All other code uses Seal and Open.
func NewAEAD(k Key) (cipher.AEAD, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	block, err := sm4.NewCipher(k[:])
	if err != nil {
		return nil, fmt.Errorf("sm: cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("sm: gcm: %w", err)
	}
	return aead, nil
}

// EncryptBlock is SM4 alone, of one block. It is for one-time codes only (shared/otp): it
// hides no text.
func EncryptBlock(k Key, block [16]byte) [16]byte {
	mustBeOpen()
	oneBlock, err := sm4.NewCipher(k[:])
	if err != nil {
		panic(fmt.Errorf("sm: cipher: %w", err)) // a key of 16 bytes always fits
	}
	oneBlock.Encrypt(block[:], block[:])
	return block
}

// Seal encrypts and authenticates plaintext together with aad.
func Seal(k Key, plaintext, aad []byte) ([]byte, error) {
	aead, err := NewAEAD(k)
	if err != nil {
		return nil, err
	}
	out := make([]byte, NonceSize, NonceSize+len(plaintext)+Overhead)
	_, _ = rand.Read(out) // never fails (crypto/rand)
	return aead.Seal(out, out, plaintext, aad), nil
}

// Open decrypts a ciphertext that Seal made with the same key and aad.
func Open(k Key, sealed, aad []byte) ([]byte, error) {
	aead, err := NewAEAD(k)
	if err != nil {
		return nil, err
	}
	if len(sealed) < NonceSize+Overhead {
		return nil, ErrOpen
	}
	plaintext, err := aead.Open(nil, sealed[:NonceSize], sealed[NonceSize:], aad)
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}
