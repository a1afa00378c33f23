// Package sms sends text messages through the bank's SMS gateway.
//
// The gateway's protocol (docs/sms-gateway.md) is one signed JSON request for each
// message. The gateway takes each message id once, so a repetition after a lost
// answer sends no second text. Numbers have 11 digits; texts are Chinese. A Gateway
// is safe for concurrent use. Budgets bound all texts (budget.go), and a
// quota bounds the notices to one phone (quota.go). Refusal:
// SMS_EXHAUSTED. Source: OTP-006, KEY-009.
package sms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/peer"
)

// Message is one text to one number.
type Message struct {
	ID    string `json:"id"` // identifies this text to this receiver
	Phone string `json:"phone"`
	Text  string `json:"text"`
}

// Gateway sends messages; nil means that the gateway took responsibility. After
// ErrRefused, no repetition can succeed.
type Gateway interface {
	Send(ctx context.Context, m Message) error
}

// Config holds the gateway's address and the secret that signs requests.
type Config struct {
	URL    string `envconfig:"SMS_URL" required:"true" form:"http" secret:"true"`
	Secret string `envconfig:"SMS_SECRET" required:"true" secret:"true"`
}

// ErrPlain is the reason why a process does not start with an SMS_URL.
var ErrPlain = fmt.Errorf("SMS_URL must begin with https://: %w, since messages hold codes and numbers", downstream.ErrClear)

// Encrypted returns ErrPlain unless messages leave encrypted.
func (c Config) Encrypted() error {
	if !strings.HasPrefix(c.URL, "https://") {
		return ErrPlain
	}
	return nil
}

const (
	timeout   = 2 * time.Second // below every event function's time-out, so that a hung gateway is an error
	maxAnswer = 4 << 10
)

// Errors of Send.
var (
	ErrNotAccepted = errors.New("sms: not accepted")     // a later try may succeed
	ErrRefused     = errors.New("sms: refused for good") // the gateway will never take this message
)

// permanent lists the statuses by which the gateway refuses the message itself: its
// number or text, or another message under its id. By other statuses it refuses the
// request, for example its signature. An operator can cure that.
var permanent = []int{
	http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
}

// HTTP is the client of the real protocol.
type HTTP struct {
	config Config
	client *http.Client
	clock  clock.Clock
	timer  *downstream.Timer
}

// New returns a client.
func New(config Config, now clock.Clock) *HTTP {
	return &HTTP{config: config, client: peer.Client(timeout), clock: now}
}

// Timed returns the same client, whose calls the timer times and traces.
func (g *HTTP) Timed(timer *downstream.Timer) *HTTP {
	timed := *g
	timed.timer = timer
	return &timed
}

// Send posts the message.
func (g *HTTP) Send(ctx context.Context, m Message) error {
	req, err := peer.Post(ctx, g.config.URL+"/v1/messages", g.config.Secret, g.clock.Now(), m)
	if err != nil {
		return fmt.Errorf("sms: %w", err)
	}
	_, call := g.timer.Begin(ctx, "sms send")
	resp, err := g.client.Do(req)
	call.End(err != nil && !errors.Is(err, context.Canceled) || err == nil && resp.StatusCode >= http.StatusInternalServerError)
	if err != nil {
		return fmt.Errorf("sms: %w", err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // so that the connection can be reused
	_ = resp.Body.Close()                             // the status has been read
	switch {
	case resp.StatusCode == http.StatusAccepted:
		return nil
	case slices.Contains(permanent, resp.StatusCode):
		return fmt.Errorf("%w: %d", ErrRefused, resp.StatusCode)
	}
	return fmt.Errorf("%w: %d", ErrNotAccepted, resp.StatusCode)
}
