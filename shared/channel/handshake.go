package channel

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidebank/tidebank/shared/sm"
)

// ErrHandshake refuses a handshake: malformed, of another version, or not signed
// by the bank's key.
var ErrHandshake = errors.New("channel: handshake refused")

// RandomSize is the size of each side's random number, in bytes.
const RandomSize = 32

// PinSize is the size of a pin, in bytes.
const PinSize = 32

// Hello is the client's message to channel-open.
type Hello struct {
	Version      int    `json:"version" doc:"1, or 2 to offer ML-KEM-768 beside SM2" example:"1"`
	ClientKey    []byte `json:"client_key" format:"sm2-public-key" doc:"Fresh SM2 public key, PKIX DER"`
	ClientRandom []byte `json:"client_random" minLength:"44" maxLength:"44" doc:"32 bytes" example:"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="` //nolint:revive // a tag is one line
	DeviceID     string `json:"device_id" minLength:"8" maxLength:"64" doc:"Stable id of the app's installation" example:"phone-of-wang"`
	// Pins name the bank's keys that the app trusts, so that the bank signs with one of them.
	Pins [][]byte `json:"pins,omitempty" minItems:"1" maxItems:"8" nullable:"false" doc:"SM3 of each pinned key (PKIX DER): 32 bytes"`
	App  *App     `json:"app,omitempty" doc:"The app and its version"`
	// KEMKey is the offer of version 2, which a hello of version 1 does not have.
	KEMKey []byte `json:"kem_key,omitempty" minLength:"1580" maxLength:"1580" doc:"Version 2 only: fresh ML-KEM-768 encapsulation key, 1,184 bytes"` //nolint:revive // a tag is one line
}

// Welcome is the bank's answer. The signature is over the transcript.
type Welcome struct {
	ChannelID    []byte `json:"channel_id" doc:"16 bytes"`
	ServerKey    []byte `json:"server_key" doc:"Fresh SM2 public key, PKIX DER"`
	ServerRandom []byte `json:"server_random" doc:"32 bytes"`
	Certificate  []byte `json:"certificate" doc:"X.509 DER of the bank's channel key; pin it"`
	PasswordKey  []byte `json:"password_key" doc:"SM2 public key that passwords are sealed to, PKIX DER"`
	ExpiresInS   int    `json:"expires_in_s" doc:"Seconds within which the channel's first call must come"`
	APIVersion   string `json:"api_version,omitempty" doc:"Version of the bank's API, docs/versions.md; not signed"`
	Signature    []byte `json:"signature" doc:"SM2 by the certificate's key over the transcript"`
	// KEMCiphertext is the bank's choice: with it the channel is of version 2.
	KEMCiphertext []byte `json:"kem_ciphertext,omitempty" doc:"To kem_key, 1,088 bytes; missing if the bank has chosen version 1"`
}

// Server is the bank's side of the handshake, with the channel key that it uses.
type Server struct {
	// Sign signs with the private key of Certificate: SM2 with SM3, DER.
	Sign        func(message []byte) ([]byte, error)
	Certificate []byte
	PasswordKey []byte // PKIX DER
	Life        time.Duration
	APIVersion  string
	Hybrid      Policy
}

// Respond answers a client's hello and returns the new channel. It refuses a hello of
// version 2 without a good ML-KEM-768 key, and of version 1 with any.
func (s Server) Respond(hello Hello) (Welcome, ID, Keys, error) {
	badPin := func(pin []byte) bool { return len(pin) != PinSize }
	if !s.Hybrid.takes(hello) || len(hello.ClientRandom) != RandomSize || slices.ContainsFunc(hello.Pins, badPin) {
		return Welcome{}, ID{}, Keys{}, ErrHandshake
	}
	peer, err := sm.ParsePublicKey(hello.ClientKey)
	if err != nil {
		return Welcome{}, ID{}, Keys{}, ErrHandshake
	}
	fresh, err := sm.GenerateKey()
	if err != nil {
		return Welcome{}, ID{}, Keys{}, fmt.Errorf("channel: %w", err)
	}
	serverKey, err := fresh.Public().Marshal()
	if err != nil {
		return Welcome{}, ID{}, Keys{}, fmt.Errorf("channel: %w", err)
	}
	var id ID
	random := make([]byte, RandomSize)
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	_, _ = rand.Read(random)
	welcome := Welcome{
		ChannelID: id[:], ServerKey: serverKey, ServerRandom: random, Certificate: s.Certificate,
		PasswordKey: s.PasswordKey, ExpiresInS: int(s.Life / time.Second), APIVersion: s.APIVersion,
	}
	var found secrets
	if found.agreed, err = sm.Agree(fresh, peer); err != nil {
		return Welcome{}, ID{}, Keys{}, ErrHandshake
	}
	if s.Hybrid.chooses(hello) {
		var encapsulated sm.KEMSecret
		if welcome.KEMCiphertext, encapsulated, err = sm.Encapsulate(hello.KEMKey); err != nil {
			return Welcome{}, ID{}, Keys{}, ErrHandshake
		}
		found.encapsulated = &encapsulated
	}
	transcript := transcript(hello, welcome)
	if welcome.Signature, err = s.Sign(transcript); err != nil {
		return Welcome{}, ID{}, Keys{}, fmt.Errorf("channel: %w", err)
	}
	return welcome, id, found.keys(transcript), nil
}

// Client is an app's side of one handshake.
type Client struct {
	hello Hello
	own   *sm.PrivateKey
	kem   *sm.KEMKey // nil: the hello is of version 1
}

// Pin names a public key in a hello.
func Pin(public *sm.PublicKey) ([]byte, error) {
	der, err := public.Marshal()
	if err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	return sm.Digest(der), nil
}

// NewClient starts a handshake with a fresh key. Its hello names the pinned keys, and is of
// version 1 until OfferHybrid.
func NewClient(deviceID string, pinned ...*sm.PublicKey) (*Client, error) {
	var pins [][]byte
	for _, public := range pinned {
		pin, err := Pin(public)
		if err != nil {
			return nil, err
		}
		pins = append(pins, pin)
	}
	own, err := sm.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	public, err := own.Public().Marshal()
	if err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	random := make([]byte, RandomSize)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return &Client{
		own: own, hello: Hello{Version: Version, ClientKey: public, ClientRandom: random, DeviceID: deviceID, Pins: pins},
	}, nil
}

// SetApp names the app in the hello.
func (c *Client) SetApp(app App) { c.hello.App = &app }

// Hello returns the message for channel-open.
func (c *Client) Hello() Hello { return c.hello }

// Finish checks the bank's answer against the pinned keys, of which one must have signed
// it, and returns the channel. If the client has offered version 2, Welcome.Hybrid tells
// what the bank itself has chosen.
func (c *Client) Finish(w Welcome, pinned ...*sm.PublicKey) (ID, Keys, error) {
	if len(w.ChannelID) != len(ID{}) || len(w.ServerRandom) != RandomSize || w.Hybrid() && c.kem == nil {
		return ID{}, Keys{}, ErrHandshake
	}
	transcript := transcript(c.hello, w)
	if !slices.ContainsFunc(pinned, func(k *sm.PublicKey) bool { return sm.Verify(k, transcript, w.Signature) == nil }) {
		return ID{}, Keys{}, ErrHandshake
	}
	peer, err := sm.ParsePublicKey(w.ServerKey)
	if err != nil {
		return ID{}, Keys{}, ErrHandshake
	}
	var found secrets
	if found.agreed, err = sm.Agree(c.own, peer); err != nil {
		return ID{}, Keys{}, ErrHandshake
	}
	if w.Hybrid() {
		encapsulated, err := sm.Decapsulate(c.kem, w.KEMCiphertext)
		if err != nil {
			return ID{}, Keys{}, ErrHandshake
		}
		found.encapsulated = &encapsulated
	}
	return ID(w.ChannelID), found.keys(transcript), nil
}

// transcript joins all parts of both messages. The optional fields of a hello follow at the
// end, both of them if the app has sent one. So nobody on the way can take the pins away and
// make the bank sign with an older key. A hello of version 2 has its own first part, both
// optional fields, its offer and the bank's choice. So nobody on the way can take the offer
// or the choice away.
func transcript(h Hello, w Welcome) []byte {
	label := "tidebank channel v1"
	if h.Version == HybridVersion {
		label = "tidebank channel v2"
	}
	parts := [][]byte{
		[]byte(label), h.ClientKey, h.ClientRandom, []byte(h.DeviceID),
		w.ChannelID, w.ServerKey, w.ServerRandom, w.Certificate, w.PasswordKey,
	}
	if len(h.Pins) > 0 || h.App != nil || h.Version == HybridVersion {
		app := ""
		if h.App != nil {
			app = h.App.Platform + " " + h.App.Version
		}
		parts = append(parts, slices.Concat(h.Pins...), []byte(app))
	}
	if h.Version == HybridVersion {
		parts = append(parts, h.KEMKey, w.KEMCiphertext)
	}
	return Join(parts...)
}

// Join joins the parts of a text to sign, each preceded by its length in four bytes. So
// no two lists of parts give the same text.
func Join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
