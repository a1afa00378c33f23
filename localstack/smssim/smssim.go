// Package smssim stands in for the bank's SMS gateway: it speaks the protocol of
// docs/sms-gateway.md, keeps an inbox for people and tests to read, and can be
// told to fail, delay, lose, duplicate and swallow its answers.
//
// A message id is taken once: the same message again is accepted and not
// delivered again, another message under the id is refused. A Gateway with its
// Secret and Now set is ready, and safe for concurrent use.
package smssim

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/sms"
)

// Text is a message that arrived on a phone.
type Text struct {
	ID    string    `json:"id"`
	Phone string    `json:"phone"`
	Text  string    `json:"text"`
	At    time.Time `json:"at"`
}

// Faults are what the gateway can be told to do wrong.
type Faults struct {
	FailNext      int           `json:"fail_next"`      // answer 503 so many times, take nothing
	SwallowAnswer int           `json:"swallow_answer"` // take the message and answer 502 so many times
	LoseNext      int           `json:"lose_next"`      // accept, and never deliver, so many times
	Duplicate     bool          `json:"duplicate"`      // deliver twice
	Delay         time.Duration `json:"delay"`          // before each answer, nanoseconds
}

// Gateway is the simulator.
type Gateway struct {
	Secret string
	Now    func() time.Time

	mu     sync.Mutex
	faults Faults
	seen   map[string]sms.Message
	order  []string // ids in the order of arrival, to forget the oldest
	inbox  []Text
}

const (
	keep      = 1000 // texts in the inbox
	remember  = 10 * keep
	bodyBytes = 16 << 10
)

// SetFaults replaces the faults.
func (g *Gateway) SetFaults(f Faults) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = f
}

// Inbox lists the texts that a phone received, newest first; all phones' if the
// number is empty.
func (g *Gateway) Inbox(number string) []Text {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := []Text{}
	for i := len(g.inbox) - 1; i >= 0; i-- {
		if number == "" || g.inbox[i].Phone == number {
			list = append(list, g.inbox[i])
		}
	}
	return list
}

// ServeHTTP answers POST /v1/messages.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/messages" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytes))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !g.signed(r.Header, body) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var m sms.Message
	if err := json.Unmarshal(body, &m); err != nil || m.ID == "" || !customer.ValidPhone(m.Phone) || m.Text == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !g.pause(r.Context()) {
		return // the client has gone
	}
	w.WriteHeader(g.take(m))
}

// signed reports whether the request is the bank's, and of now.
func (g *Gateway) signed(header http.Header, body []byte) bool {
	at := header.Get(sms.HeaderTimestamp)
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || g.Now().Sub(time.Unix(seconds, 0)).Abs() > sms.MaxSkew {
		return false
	}
	return hmac.Equal([]byte(sms.Sign(g.Secret, at, body)), []byte(header.Get(sms.HeaderSignature)))
}

func (g *Gateway) pause(ctx context.Context) bool {
	g.mu.Lock()
	delay := g.faults.Delay
	g.mu.Unlock()
	if delay <= 0 {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(delay):
		return true
	}
}

func (g *Gateway) take(m sms.Message) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.faults.FailNext > 0 {
		g.faults.FailNext--
		return http.StatusServiceUnavailable
	}
	before, seen := g.seen[m.ID]
	switch {
	case seen && before != m:
		return http.StatusConflict
	case !seen:
		g.remember(m)
		g.deliver(m)
	}
	if g.faults.SwallowAnswer > 0 {
		g.faults.SwallowAnswer--
		return http.StatusBadGateway
	}
	return http.StatusAccepted
}

func (g *Gateway) remember(m sms.Message) {
	if g.seen == nil {
		g.seen = map[string]sms.Message{}
	}
	g.seen[m.ID] = m
	g.order = append(g.order, m.ID)
	if len(g.order) > remember {
		delete(g.seen, g.order[0])
		g.order = g.order[1:]
	}
}

func (g *Gateway) deliver(m sms.Message) {
	if g.faults.LoseNext > 0 {
		g.faults.LoseNext--
		return
	}
	text := Text{ID: m.ID, Phone: m.Phone, Text: m.Text, At: g.Now()}
	g.inbox = append(g.inbox, text)
	if g.faults.Duplicate {
		g.inbox = append(g.inbox, text)
	}
	if len(g.inbox) > keep {
		g.inbox = append([]Text(nil), g.inbox[len(g.inbox)-keep:]...)
	}
}
