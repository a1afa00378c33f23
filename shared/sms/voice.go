package sms

import (
	"fmt"
	"strings"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/peer"
)

// VoiceConfig holds the voice gateway's address and the secret that signs requests.
type VoiceConfig struct {
	URL    string `envconfig:"VOICE_URL" required:"true" form:"http" secret:"true"`
	Secret string `envconfig:"VOICE_SECRET" required:"true" secret:"true" minLength:"16"`
}

// ErrPlainVoice is the reason why a process does not start with a VOICE_URL.
var ErrPlainVoice = fmt.Errorf("VOICE_URL must begin with https://: %w, since calls tell codes", downstream.ErrClear)

// Encrypted returns ErrPlainVoice unless calls are ordered encrypted.
func (c VoiceConfig) Encrypted() error {
	if !strings.HasPrefix(c.URL, "https://") {
		return ErrPlainVoice
	}
	return nil
}

// NewVoice returns a client of the voice gateway (docs/voice-gateway.md). The text of a message is
// what the call says.
func NewVoice(config VoiceConfig, now clock.Clock) *HTTP {
	return &HTTP{
		url: config.URL + "/v1/calls", secret: config.Secret, span: "voice call", client: peer.Client(timeout), clock: now,
	}
}
