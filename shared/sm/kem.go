package sm

import (
	"crypto/mlkem"
	"crypto/rand"
	"fmt"
	"io"
	"slices"

	"github.com/emmansun/gmsm/sm3"
)

// KEMSeedSize, KEMPublicSize and KEMCiphertextSize are the sizes of ML-KEM-768 in bytes
// (FIPS 203, table 3).
const (
	KEMSeedSize       = mlkem.SeedSize
	KEMPublicSize     = mlkem.EncapsulationKeySize768
	KEMCiphertextSize = mlkem.CiphertextSize768
)

// KEMKey is a private key of ML-KEM-768 (FIPS 203), which stands beside SM2 in the
// channel's handshake, and nowhere alone.
type KEMKey struct{ key *mlkem.DecapsulationKey768 }

// KEMSecret is the shared secret of an encapsulation. Only Encapsulate and Decapsulate make
// it, and only DeriveHybrid takes it, with a secret of SM2: no key hangs from ML-KEM alone.
type KEMSecret struct{ k []byte }

// GenerateKEMKey makes a new private key.
func GenerateKEMKey() (*KEMKey, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	seed := make([]byte, KEMSeedSize)
	if _, err := io.ReadFull(rand.Reader, seed); err != nil {
		return nil, fmt.Errorf("sm: generate key: %w", err)
	}
	return ParseKEMKey(seed)
}

// ParseKEMKey reads a private key as its seed of 64 bytes: d ‖ z of FIPS 203, algorithm 16.
func ParseKEMKey(seed []byte) (*KEMKey, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	key, err := mlkem.NewDecapsulationKey768(seed)
	if err != nil {
		return nil, ErrKey
	}
	return &KEMKey{key}, nil
}

// Public returns the public half: the encapsulation key, 1,184 bytes.
func (k *KEMKey) Public() []byte { return k.key.EncapsulationKey().Bytes() }

// Encapsulate makes a secret and encrypts it to an encapsulation key. It refuses a key of
// another length, and a key with numbers that are not reduced (FIPS 203, 7.2).
func Encapsulate(public []byte) (ciphertext []byte, secret KEMSecret, err error) {
	if shut.Load() {
		return nil, KEMSecret{}, ErrModule
	}
	key, err := mlkem.NewEncapsulationKey768(public)
	if err != nil {
		return nil, KEMSecret{}, ErrKey
	}
	shared, ciphertext := key.Encapsulate()
	return ciphertext, KEMSecret{shared}, nil
}

// Decapsulate returns the secret of a ciphertext, of 1,088 bytes. A ciphertext that was
// changed gives another secret, and no error (FIPS 203, 6.3).
func Decapsulate(k *KEMKey, ciphertext []byte) (KEMSecret, error) {
	if shut.Load() {
		return KEMSecret{}, ErrModule
	}
	shared, err := k.key.Decapsulate(ciphertext)
	if err != nil {
		return KEMSecret{}, ErrOpen
	}
	return KEMSecret{shared}, nil
}

// DeriveHybrid is Derive from two secrets, of 32 bytes each: who lacks one of them can't
// compute the result. The info must cover both public exchanges. It panics with ErrKey on
// a secret that no agreement or encapsulation made.
func DeriveHybrid(agreed Secret, encapsulated KEMSecret, info []byte, n int) []byte {
	mustBeOpen()
	if len(agreed.x) == 0 || len(encapsulated.k) == 0 {
		panic(ErrKey)
	}
	return sm3.Kdf(slices.Concat(agreed.x, encapsulated.k, info), n)
}
