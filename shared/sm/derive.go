package sm

import (
	"fmt"

	"github.com/emmansun/gmsm/sm2"
)

// DeriveKey returns the SM2 private key that a secret of 32 random bytes has under a label. Another label gives another key,
// and none tells anything about the secret. A number that is no private key is left out, which happens once in 2^32: the
// next counter then gives the key.
func DeriveKey(secret []byte, label string) (*PrivateKey, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	if len(secret) != 32 {
		return nil, ErrKey
	}
	for counter := range byte(8) {
		number := MAC(secret, []byte("sm2 private key"), []byte(label), []byte{counter})
		if key, err := sm2.NewPrivateKey(number); err == nil {
			return &PrivateKey{key}, nil
		}
	}
	return nil, fmt.Errorf("sm: derive key: %w", ErrKey)
}
