// Package passkey checks what an authenticator of a browser (WebAuthn) makes and signs.
//
// The authenticator keeps the private key, and signs only after it has recognised the customer (user
// verification is required). The bank stores the id and the public key of the credential with its device
// (shared/device), and the count of its signatures. A Site is the bank's web site as WebAuthn names it:
// its id and origins are settings, never a caller's choice. A challenge is 32 bytes of a digest that the
// bank computes anew, so a signature for one login or transfer is good for no other. A signature whose
// count has not grown is refused: a copy of the key may have made it (ErrCounter). An authenticator without a
// count is refused at its first signature. The bank takes
// ES256 only, no attestation but none and self, and no credential that may be copied to other devices.
// All inputs come from the browser, and are bounded by their tags. Values are safe for concurrent use.
// Source: BIO-012; WebAuthn Level 3, sections 7.1 and 7.2.
package passkey

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Errors.
var (
	// ErrCounter refuses a signature whose count is not above the stored count.
	ErrCounter = errors.New("passkey: the count of signatures has not grown")

	errNoSite     = errors.New("passkey: WEBAUTHN_RP_ID is not set")
	errSettings   = errors.New("passkey: WEBAUTHN_RP_ID and WEBAUTHN_ORIGINS: both or none; each origin is https://, on the id or below it")
	errCredential = errors.New("passkey: not the credential of this device")
	errCopied     = errors.New("passkey: the credential may be copied to other devices")
	errFormat     = errors.New("passkey: attestation is neither none nor self")
	errNoCounter  = errors.New("passkey: the authenticator does not count its signatures")
	errFlags      = errors.New("passkey: the signature holds a new credential")
)

// Copied tells audit of ErrCounter.
const Copied = "passkey count has not grown"

// Config is the bank's web site. Without an id, the bank takes no passkeys.
type Config struct {
	RPID    string `envconfig:"WEBAUTHN_RP_ID"`
	Origins string `envconfig:"WEBAUTHN_ORIGINS"` // with commas between them
}

// Site is the bank's web site, as WebAuthn names it. The zero value takes no passkeys.
type Site struct {
	id      string
	origins []string
}

// Open checks the settings. An origin in clear is good for localhost only.
func (c Config) Open() (Site, error) {
	if c.RPID == "" && c.Origins == "" {
		return Site{}, nil
	}
	site := Site{id: c.RPID}
	for part := range strings.SplitSeq(c.Origins, ",") {
		origin := strings.TrimSpace(part)
		u, err := url.Parse(origin)
		if err != nil || c.RPID == "" || u.Scheme+"://"+u.Host != origin || !site.holds(u) {
			return Site{}, fmt.Errorf("%w: %q", errSettings, origin)
		}
		site.origins = append(site.origins, origin)
	}
	return site, nil
}

func (s Site) holds(origin *url.URL) bool {
	host := origin.Hostname()
	clear := origin.Scheme == "http" && host == "localhost"
	return (clear || origin.Scheme == "https") && (host == s.id || strings.HasSuffix(host, "."+s.id))
}

// Offered reports whether the bank takes passkeys.
func (s Site) Offered() bool { return s.id != "" }

// ID is the id of the site.
func (s Site) ID() string { return s.id }

// Credential is a key in an authenticator, as the bank stores it.
type Credential struct {
	ID        []byte
	PublicKey []byte // COSE, ES256
	Count     int64  // of its signatures so far
}

// Registration is what an authenticator answers when it has made a credential.
type Registration struct {
	CredentialID []byte `json:"credential_id" minLength:"4" maxLength:"1364" doc:"rawId" example:"AAAA"`
	ClientData   []byte `json:"client_data" minLength:"4" maxLength:"2732" doc:"response.clientDataJSON" example:"AAAA"`
	Attestation  []byte `json:"attestation" minLength:"4" maxLength:"4096" doc:"response.attestationObject" example:"AAAA"`
}

// Assertion is what an authenticator answers when it has signed.
type Assertion struct {
	CredentialID      []byte `json:"credential_id" minLength:"4" maxLength:"1364" doc:"rawId" example:"AAAA"`
	ClientData        []byte `json:"client_data" minLength:"4" maxLength:"2732" doc:"response.clientDataJSON" example:"AAAA"`
	AuthenticatorData []byte `json:"authenticator_data" minLength:"4" maxLength:"1024" doc:"response.authenticatorData" example:"AAAA"`
	Signature         []byte `json:"signature" minLength:"4" maxLength:"128" doc:"response.signature: ES256" example:"AAAA"`
}

// Register returns the credential of a registration that answers the challenge on the site. Any error
// means that the bank does not take it.
func (s Site) Register(r Registration, challenge []byte) (Credential, error) {
	if !s.Offered() {
		return Credential{}, errNoSite
	}
	parsed, err := protocol.CredentialCreationResponse{
		PublicKeyCredential: public(r.CredentialID),
		AttestationResponse: protocol.AuthenticatorAttestationResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: r.ClientData}, AttestationObject: r.Attestation,
		},
	}.Parse()
	if err != nil {
		return Credential{}, fmt.Errorf("passkey: %w", err)
	}
	made := parsed.Response.AttestationObject
	if _, certified := made.AttStatement["x5c"]; certified || made.Format != "none" && made.Format != "packed" {
		return Credential{}, errFormat
	}
	only := []protocol.CredentialParameter{{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256}}
	const embedded, verified, present = false, true, true
	_, err = parsed.Verify(encoded(challenge), s.id, s.origins, nil, nil, protocol.TopOriginExplicitVerificationMode, embedded,
		verified, present, nil, only, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	switch {
	case err != nil:
		return Credential{}, fmt.Errorf("passkey: %w", err)
	case !slices.Equal(made.AuthData.AttData.CredentialID, r.CredentialID):
		return Credential{}, errCredential
	case made.AuthData.Flags.HasBackupEligible():
		return Credential{}, errCopied
	}
	return Credential{
		ID: r.CredentialID, PublicKey: made.AuthData.AttData.CredentialPublicKey, Count: int64(made.AuthData.Counter),
	}, nil
}

// Check returns the new count of an assertion that answers the challenge on the site by the credential.
// It returns ErrCounter if all is right but the count. The work is the same without a credential.
func (s Site) Check(a Assertion, challenge []byte, stored Credential) (int64, error) {
	if !s.Offered() {
		return 0, errNoSite
	}
	parsed, err := protocol.CredentialAssertionResponse{
		PublicKeyCredential: public(a.CredentialID),
		AssertionResponse: protocol.AuthenticatorAssertionResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: a.ClientData},
			AuthenticatorData:     a.AuthenticatorData, Signature: a.Signature,
		},
	}.Parse()
	if err != nil {
		return 0, fmt.Errorf("passkey: %w", err)
	}
	key := stored.PublicKey
	if key == nil {
		key = nobodys
	}
	const embedded, verified, present = false, true, true
	err = parsed.Verify(encoded(challenge), s.id, "", s.origins, nil, nil, protocol.TopOriginExplicitVerificationMode, embedded,
		verified, present, key, protocol.SignaturePolicy{})
	flags, count := parsed.Response.AuthenticatorData.Flags, int64(parsed.Response.AuthenticatorData.Counter)
	switch {
	case stored.PublicKey == nil, !slices.Equal(stored.ID, a.CredentialID):
		return 0, errCredential
	case err != nil:
		return 0, fmt.Errorf("passkey: %w", err)
	case flags.HasAttestedCredentialData():
		return 0, errFlags
	case flags.HasBackupEligible():
		return 0, errCopied
	case count == 0 && stored.Count == 0: // at the registration, those that count may show 0 too
		return 0, errNoCounter
	case count <= stored.Count:
		return 0, ErrCounter
	}
	return count, nil
}

func public(id []byte) protocol.PublicKeyCredential {
	return protocol.PublicKeyCredential{
		Credential: protocol.Credential{ID: encoded(id), Type: string(protocol.PublicKeyCredentialType)}, RawID: id,
	}
}

func encoded(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// nobodys is a public key that signs for nobody: the base point of P-256.
var nobodys = ES256(
	[]byte("\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2"+
		"\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96"),
	[]byte("\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16"+
		"\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5"),
)

// ES256 is the COSE form of a public key on P-256 with these coordinates, each of 32 bytes (RFC 9053).
func ES256(x, y []byte) []byte {
	return slices.Concat([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20}, x, []byte{0x22, 0x58, 0x20}, y)
}
