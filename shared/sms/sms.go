// Package sms sends text messages through the bank's SMS gateway.
//
// The gateway's protocol (docs/sms-gateway.md) is one signed JSON request per
// message; it is idempotent by message id, so that sending again after a lost
// answer sends once. Numbers are 11 digits, texts Chinese. A Gateway is safe for
// concurrent use. Source: OTP-004, OTP-006, KEY-009.
package sms

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
)

// Message is one text to one number.
type Message struct {
	ID    string `json:"id"` // unique by content and receiver
	Phone string `json:"phone"`
	Text  string `json:"text"`
}

// Gateway sends messages; nil means that the gateway took responsibility.
type Gateway interface {
	Send(ctx context.Context, m Message) error
}

// Config says where the gateway is and with what secret requests are signed.
type Config struct {
	URL    string `envconfig:"SMS_URL" required:"true"`
	Secret string `envconfig:"SMS_SECRET" required:"true"`
}

// ErrNotAccepted tells that the gateway did not take a message.
var ErrNotAccepted = errors.New("sms: not accepted")

// HTTP is the client of the real protocol.
type HTTP struct {
	config Config
	client *http.Client
	clock  clock.Clock
}

// New returns a client.
func New(config Config, now clock.Clock) *HTTP {
	return &HTTP{config: config, client: &http.Client{Timeout: 2 * time.Second}, clock: now}
}

// Send posts the message.
func (g *HTTP) Send(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("sms: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.config.URL+"/v1/messages", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("sms: %w", err)
	}
	at := strconv.FormatInt(g.clock.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Timestamp", at)
	req.Header.Set("X-Signature", Sign(g.config.Secret, at, body))
	resp, err := g.client.Do(req)
	if err != nil {
		return fmt.Errorf("sms: %w", err)
	}
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("sms: %w", err)
	}
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("%w: %d", ErrNotAccepted, resp.StatusCode)
	}
	return nil
}

// Sign is a request's signature: HMAC-SM3 of its timestamp and body, in hex.
func Sign(secret, timestamp string, body []byte) string {
	return hex.EncodeToString(sm.MAC([]byte(secret), []byte(timestamp), body))
}
