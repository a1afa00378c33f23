// Package passkeysim plays a browser with an authenticator (WebAuthn): it makes credentials and signs
// challenges as a phone does after it has recognised its owner. Tests and the demo use it. Its fields
// make it do what a wrong or copied authenticator does. It is not for concurrent use.
package passkeysim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tidebank/tidebank/shared/passkey"
)

// The flags of authenticator data (WebAuthn, section 6.1).
const (
	Present  byte = 1 << 0
	Verified byte = 1 << 2
	Copyable byte = 1 << 3
	attested byte = 1 << 6
)

// Authenticator holds one credential.
type Authenticator struct {
	RPID, Origin string
	Flags        byte   // Present and Verified, unless a test changes them
	Count        uint32 // of the last signature
	ID           []byte

	key *ecdsa.PrivateKey
}

// New makes a credential for a site.
func New(rpID, origin string) (*Authenticator, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("passkeysim: %w", err)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return &Authenticator{RPID: rpID, Origin: origin, Flags: Present | Verified, ID: id, key: key}, nil
}

// Copy is what a thief has who copied the credential.
func (a *Authenticator) Copy() *Authenticator {
	stolen := *a
	return &stolen
}

// Register answers the challenge of a registration.
func (a *Authenticator) Register(challenge []byte) (passkey.Registration, error) {
	point, err := a.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return passkey.Registration{}, fmt.Errorf("passkeysim: %w", err)
	}
	data := a.data(a.Flags | attested)
	data = append(data, make([]byte, 16)...) // no model
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.ID)))
	data = slices.Concat(data, a.ID, passkey.ES256(point[1:33], point[33:]))
	const head = "\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"
	object := slices.Concat([]byte(head), []byte{byte(len(data))}, data) //nolint:gosec // < 256
	clientData, err := a.clientData("webauthn.create", challenge)
	return passkey.Registration{CredentialID: a.ID, ClientData: clientData, Attestation: object}, err
}

// Assert answers the challenge of a login or transfer.
func (a *Authenticator) Assert(challenge []byte) (passkey.Assertion, error) {
	a.Count++
	clientData, err := a.clientData("webauthn.get", challenge)
	if err != nil {
		return passkey.Assertion{}, err
	}
	data := a.data(a.Flags)
	about := sha256.Sum256(clientData)
	digest := sha256.Sum256(slices.Concat(data, about[:]))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		return passkey.Assertion{}, fmt.Errorf("passkeysim: %w", err)
	}
	return passkey.Assertion{CredentialID: a.ID, ClientData: clientData, AuthenticatorData: data, Signature: signature}, nil
}

func (a *Authenticator) data(flags byte) []byte {
	site := sha256.Sum256([]byte(a.RPID))
	return binary.BigEndian.AppendUint32(append(site[:], flags), a.Count)
}

func (a *Authenticator) clientData(kind string, challenge []byte) ([]byte, error) {
	data, err := json.Marshal(map[string]any{
		"type": kind, "challenge": base64.RawURLEncoding.EncodeToString(challenge), "origin": a.Origin, "crossOrigin": false,
	})
	if err != nil {
		return nil, fmt.Errorf("passkeysim: %w", err)
	}
	return data, nil
}
