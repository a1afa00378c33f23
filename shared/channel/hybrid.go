package channel

import (
	"errors"
	"fmt"

	"github.com/tidebank/tidebank/shared/sm"
)

// HybridVersion is the version of a hello that offers ML-KEM-768 beside SM2. If the bank
// takes the offer, whoever wants to read the channel must break both. Its frames are those
// of version 1.
const HybridVersion = 2

// Policy is what the bank does about version 2. The zero value is HybridOn.
type Policy string

// The policies.
const (
	HybridOn       Policy = "on"       // an app that offers version 2 gets it; other apps get version 1
	HybridRequired Policy = "required" // the bank refuses hellos of version 1
	HybridOff      Policy = "off"      // the bank chooses version 1 for all apps
)

var errPolicy = errors.New("CHANNEL_HYBRID must be on, required or off")

// ParsePolicy reads the configuration; the empty text is HybridOn.
func ParsePolicy(text string) (Policy, error) {
	switch p := Policy(text); p {
	case "":
		return HybridOn, nil
	case HybridOn, HybridRequired, HybridOff:
		return p, nil
	}
	return "", fmt.Errorf("%w: %q", errPolicy, text)
}

// takes reports whether the bank answers a hello of this version and form.
func (p Policy) takes(h Hello) bool {
	switch h.Version {
	case Version:
		return len(h.KEMKey) == 0 && p != HybridRequired
	case HybridVersion:
		return len(h.KEMKey) == sm.KEMPublicSize
	}
	return false
}

// chooses reports whether the bank chooses version 2 for a hello that it takes.
func (p Policy) chooses(h Hello) bool { return h.Version == HybridVersion && p != HybridOff }

// Hybrid reports whether the bank has chosen version 2.
func (w Welcome) Hybrid() bool { return len(w.KEMCiphertext) > 0 }

// OfferHybrid makes the hello one of version 2, with a fresh ML-KEM-768 key. The bank
// chooses; its signature covers the offer and the choice.
func (c *Client) OfferHybrid() error {
	kem, err := sm.GenerateKEMKey()
	if err != nil {
		return fmt.Errorf("channel: %w", err)
	}
	c.kem, c.hello.Version, c.hello.KEMKey = kem, HybridVersion, kem.Public()
	return nil
}

// secrets are what both sides of a handshake know, and nobody else.
type secrets struct {
	agreed       sm.Secret
	encapsulated *sm.KEMSecret // nil: version 1
}

// keys derives the keys of both directions, which are bound to the transcript.
func (s secrets) keys(transcript []byte) Keys {
	const size = 2 * len(sm.Key{})
	digest := sm.Digest(transcript)
	var raw []byte
	if s.encapsulated != nil {
		raw = sm.DeriveHybrid(s.agreed, *s.encapsulated, digest, size)
	} else {
		raw = sm.Derive(s.agreed, digest, size)
	}
	return Keys{ClientToServer: sm.Key(raw[:16]), ServerToClient: sm.Key(raw[16:])}
}
