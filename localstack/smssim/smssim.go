// Package smssim simulates the bank's SMS gateway. It implements the protocol of
// docs/sms-gateway.md and keeps an inbox for people and tests. On request it fails,
// delays, loses or duplicates messages, or drops its answers.
//
// The gateway delivers each message id once. It accepts the same message again
// without delivering it, and refuses another message under the same id. A Gateway
// needs Secret and Now; it is safe for concurrent use.
package smssim

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tidebank/tidebank/localstack/partner"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/sms"
)

// Message is an SMS that arrived on a phone.
type Message struct {
	ID    string    `json:"id"`
	Phone string    `json:"phone"`
	Text  string    `json:"text"`
	At    time.Time `json:"at"`
}

// Faults are the mistakes that a test can order from the gateway.
type Faults struct {
	FailNext      int           `json:"fail_next"`      // answer 503 so many times and take no message
	SwallowAnswer int           `json:"swallow_answer"` // take the message and answer 502 so many times
	LoseNext      int           `json:"lose_next"`      // accept so many messages and never deliver them
	Duplicate     bool          `json:"duplicate"`      // deliver twice
	Delay         time.Duration `json:"delay"`          // before each answer, nanoseconds
	Refuse        []string      `json:"refuse"`         // answer 400 to messages to these numbers
	Fail          []string      `json:"fail"`           // answer 503 to messages to these numbers
}

// Gateway is the simulator.
type Gateway struct {
	Secret string
	Now    func() time.Time

	mu     sync.Mutex
	faults Faults
	seen   map[string]sms.Message
	order  []string // ids in the order of arrival, to delete the oldest
	inbox  []Message
}

const (
	keep     = 1000 // messages in the inbox
	remember = 10 * keep
)

// SetFaults replaces the faults.
func (g *Gateway) SetFaults(f Faults) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = f
}

// Forget makes the gateway forget the ids of the messages that it has taken.
func (g *Gateway) Forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen, g.order = nil, nil
}

// Inbox lists the messages that a phone received, newest first. An empty number means
// all phones.
func (g *Gateway) Inbox(number string) []Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := []Message{}
	for i := len(g.inbox) - 1; i >= 0; i-- {
		if number == "" || g.inbox[i].Phone == number {
			list = append(list, g.inbox[i])
		}
	}
	return list
}

// ServeHTTP answers POST /v1/messages.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	door := partner.Door{Path: "/v1/messages", Secret: g.Secret, Now: g.Now(), Most: 16 << 10}
	var m sms.Message
	if !door.Receive(w, r, &m) {
		return
	}
	phone, _ := customer.CanonicalPhone(m.Phone)
	if m.ID == "" || phone == "" || phone != m.Phone || m.Text == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !partner.Wait(r.Context(), g.delay()) {
		return // the client has left
	}
	w.WriteHeader(g.take(m))
}

func (g *Gateway) delay() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.faults.Delay
}

func (g *Gateway) take(m sms.Message) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.faults.FailNext > 0 {
		g.faults.FailNext--
		return http.StatusServiceUnavailable
	}
	switch {
	case slices.Contains(g.faults.Refuse, m.Phone):
		return http.StatusBadRequest
	case slices.Contains(g.faults.Fail, m.Phone):
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
	message := Message{ID: m.ID, Phone: m.Phone, Text: m.Text, At: g.Now()}
	g.inbox = append(g.inbox, message)
	if g.faults.Duplicate {
		g.inbox = append(g.inbox, message)
	}
	if len(g.inbox) > keep {
		g.inbox = append([]Message(nil), g.inbox[len(g.inbox)-keep:]...)
	}
}
