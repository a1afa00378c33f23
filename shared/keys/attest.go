package keys

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidebank/tidebank/shared/sm"
)

// attestLabel names the key pairs that are derived from the keys of the purpose Evidence. Each key of the purpose has one.
const attestLabel = "tidebank evidence of changes"

// attestLife is how long a certificate of Attest is valid: longer than the bank keeps evidence.
const attestLife = 30 * 365 * 24 * time.Hour

// Attester signs evidence for the bank (SM2 with SM3).
type Attester struct {
	Certificate []byte // X.509 DER, self-signed: whoever checks it compares its key with the bank's (AttestedBy)

	key *sm.PrivateKey
}

// Attester returns the signer of the purpose Evidence, with a certificate that is valid from the time. Its key pair is
// derived from the key with which the purpose writes now. It returns ErrPurpose without the purpose.
func (r *Ring) Attester(at time.Time) (*Attester, error) {
	current, err := r.current(Evidence)
	if err != nil {
		return nil, err
	}
	key, err := sm.DeriveKey(current.key.mac, attestLabel)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", Evidence, err)
	}
	certificate, err := sm.SelfSigned(key, "Tidebank evidence "+keyName(Evidence, current.id), at.Truncate(time.Second), attestLife)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", Evidence, err)
	}
	return &Attester{Certificate: certificate, key: key}, nil
}

// Sign signs a message of at least one byte (DER).
func (a *Attester) Sign(message []byte) ([]byte, error) {
	signature, err := sm.Sign(a.key, message)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", Evidence, err)
	}
	return signature, nil
}

// AttestedBy returns the public key of a certificate of Attester. It returns ErrMAC for every other certificate, and for one
// that was not valid at the time.
func (r *Ring) AttestedBy(certificate []byte, at time.Time) (*sm.PublicKey, error) {
	if _, ok := r.get(Evidence); !ok {
		return nil, notDeclared(Evidence)
	}
	public, err := sm.CertificateKey(certificate, at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMAC, err)
	}
	made := func(v versioned[secret]) bool {
		key, err := sm.DeriveKey(v.key.mac, attestLabel)
		return err == nil && key.Public().Equal(public)
	}
	if !r.source.finds(func(h *held) bool { return slices.ContainsFunc(h.opened[Evidence].secrets, made) }) {
		return nil, ErrMAC
	}
	return public, nil
}
