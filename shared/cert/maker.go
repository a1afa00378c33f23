package cert

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/sm"
)

// MakersConfig names the makers whose word the bank takes for where a key is. A bank without phone
// shields or Bluetooth Keys sets none.
type MakersConfig struct {
	Shields       string `envconfig:"SHIELD_ROOTS"`        // PEM, of phones
	BluetoothKeys string `envconfig:"BLUETOOTH_KEY_ROOTS"` // PEM
}

// Makers checks where the keys of phone shields (手机盾) and Bluetooth Keys (蓝牙Key) are.
type Makers struct{ phones, keys sm.Roots }

// NewMakers returns a checker. It returns an error if the roots are no certificates.
func NewMakers(config MakersConfig) (Makers, error) {
	phones, err := Trust{config.Shields}.Parse()
	if err != nil {
		return Makers{}, fmt.Errorf("SHIELD_ROOTS: %w", err)
	}
	keys, err := Trust{config.BluetoothKeys}.Parse()
	if err != nil {
		return Makers{}, fmt.Errorf("BLUETOOTH_KEY_ROOTS: %w", err)
	}
	return Makers{phones, keys}, nil
}

// Attestation is a maker's word for where a key is.
type Attestation struct {
	DER   []byte   // PKCS#7, with the signer's certificate in it
	Chain [][]byte // the authorities between the signer's certificate and a root
	Now   time.Time
}

// bound binds a certificate to the device that holds its key.
type bound struct {
	opened      Opening
	deviceID    *string // the phone, of a phone shield
	keySerial   *string // of a Bluetooth Key
	attestation []byte
}

// AttestedText is what the phone's trusted environment signs when it has made a key, and keeps it:
// the ASCII text "tidebank phone shield v1", the application's id (16 bytes), the device id and the
// public key (PKIX DER), each preceded by its length in four bytes.
func AttestedText(application uuid.UUID, deviceID string, public []byte) []byte {
	return channel.Join([]byte("tidebank phone shield v1"), application[:], []byte(deviceID), public)
}

// AttestedByKey is what a Bluetooth Key signs when it has made a key pair, and keeps it: as
// AttestedText, with the text "tidebank bluetooth key v1" and the key's serial number.
func AttestedByKey(application uuid.UUID, serial string, public []byte) []byte {
	return channel.Join([]byte("tidebank bluetooth key v1"), application[:], []byte(serial), public)
}

var errAttested = errors.New("no attestation of where the key is")

// BindShield returns the application for a certificate that is bound to the phone. It returns
// ErrRejected unless an attestation by a maker whom the bank trusts says that the phone's trusted
// environment holds the key.
func (m Makers) BindShield(a Application, deviceID string, word Attestation) (Application, error) {
	text := func(public []byte) []byte { return AttestedText(a.ID, deviceID, public) }
	return attested(a, m.phones, word, text, bound{opened: InShield, deviceID: &deviceID})
}

// BindKey returns the application for a certificate of the Bluetooth Key with the serial. It returns
// ErrRejected unless an attestation by a maker whom the bank trusts says that this key holds the key
// pair. HandedOut says whose the key is.
func (m Makers) BindKey(a Application, serial string, word Attestation) (Application, error) {
	text := func(public []byte) []byte { return AttestedByKey(a.ID, serial, public) }
	return attested(a, m.keys, word, text, bound{opened: InBluetooth, keySerial: &serial})
}

func attested(a Application, roots sm.Roots, word Attestation, text func(public []byte) []byte, to bound) (Application, error) {
	if len(word.DER) == 0 {
		return Application{}, ErrRejected.Because(errAttested)
	}
	signed, err := sm.ParseSignedData(word.DER)
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
	if err := signed.Verify(maker, text(public)); err != nil {
		return Application{}, because(ErrRejected, err)
	}
	if err := roots.Check(maker, word.Chain, word.Now); err != nil {
		return Application{}, because(ErrRejected, err)
	}
	to.attestation = word.DER
	a.bound = &to
	return a, nil
}
