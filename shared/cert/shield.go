package cert

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/sm"
)

// ShieldConfig names the makers of phones whose word the bank takes for where a key is. A bank
// without phone shields sets none.
type ShieldConfig struct {
	Roots string `envconfig:"SHIELD_ROOTS"` // PEM
}

// Shields checks where keys of phone shields (手机盾) are.
type Shields struct {
	roots sm.Roots
}

// NewShields returns a checker. It returns an error if the roots are no certificates.
func NewShields(config ShieldConfig) (Shields, error) {
	roots, err := Trust(config).Parse()
	if err != nil {
		return Shields{}, fmt.Errorf("SHIELD_ROOTS: %w", err)
	}
	return Shields{roots}, nil
}

// Shield binds a certificate to the phone whose trusted environment or secure chip holds its key.
type Shield struct {
	DeviceID    string
	Attestation []byte // PKCS#7 by the maker of the phone, over AttestedText
}

// AttestedText is what the phone's trusted environment signs when it has made a key, and keeps it:
// the ASCII text "tidebank phone shield v1", the application's id (16 bytes), the device id and the
// public key (PKIX DER), each preceded by its length in four bytes.
func AttestedText(application uuid.UUID, deviceID string, public []byte) []byte {
	return channel.Join([]byte("tidebank phone shield v1"), application[:], []byte(deviceID), public)
}

var errAttested = errors.New("no attestation of where the key is")

// Bind returns the application for a certificate that is bound to the device. It returns
// ErrRejected unless an attestation by a maker whom the bank trusts says that the phone's trusted
// environment holds the key. chain holds the authorities between the maker's certificate and a root.
func (s Shields) Bind(a Application, deviceID string, attestation []byte, chain [][]byte, now time.Time) (Application, error) {
	if len(attestation) == 0 {
		return Application{}, ErrRejected.Because(errAttested)
	}
	signed, err := sm.ParseSignedData(attestation)
	if err != nil {
		return Application{}, because(ErrRejected, err)
	}
	maker, err := sm.ParseCertificate(signed.Certificate())
	if err != nil {
		return Application{}, because(ErrRejected, err)
	}
	public, err := a.request.Key.Marshal()
	if err != nil {
		return Application{}, because(ErrRejected, err)
	}
	if err := signed.Verify(maker, AttestedText(a.ID, deviceID, public)); err != nil {
		return Application{}, because(ErrRejected, err)
	}
	if err := s.roots.Check(maker, chain, now); err != nil {
		return Application{}, because(ErrRejected, err)
	}
	a.shield = &Shield{DeviceID: deviceID, Attestation: attestation}
	return a, nil
}
