// Package sms sends text messages through the bank's SMS gateway.
//
// The gateway's protocol (docs/sms-gateway.md) is one signed JSON request per
// message; it is idempotent by message id, so that sending again after a lost
// answer sends once. Numbers are 11 digits, texts Chinese. A Gateway is safe for
// concurrent use. Source: OTP-006, KEY-009.
package sms

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
)

// Message is one text to one number.
type Message struct {
	ID    string `json:"id"` // stands for this text to this receiver
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

const (
	timeout   = 2 * time.Second // below any event function's, so that a hung gateway is an error
	maxAnswer = 4 << 10
)

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
	client := &http.Client{
		Timeout: timeout,
		// A message goes where the configuration says and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &HTTP{config: config, client: client, clock: now}
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
	req.Header.Set(HeaderTimestamp, at)
	req.Header.Set(HeaderSignature, Sign(g.config.Secret, at, body))
	resp, err := g.client.Do(req)
	if err != nil {
		return fmt.Errorf("sms: %w", err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // so that the connection serves again
	_ = resp.Body.Close()                             // the status has been read
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("%w: %d", ErrNotAccepted, resp.StatusCode)
	}
	return nil
}

// What a request carries besides its body.
const (
	HeaderTimestamp = "X-Timestamp" // Unix seconds
	HeaderSignature = "X-Signature" // Sign
	MaxSkew         = 5 * time.Minute
)

// Sign is a request's signature: HMAC-SM3 under the secret over timestamp and
// body, each preceded by its length in four bytes, in lower-case hex.
func Sign(secret, timestamp string, body []byte) string {
	return hex.EncodeToString(sm.MAC([]byte(secret), []byte(timestamp), body))
}
