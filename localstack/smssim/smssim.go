// Package smssim stands in for the bank's SMS gateway: it speaks the same
// protocol, keeps an inbox for people and tests to read, and can be told to fail,
// delay, lose and duplicate.
package smssim

import (
	"crypto/hmac"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tidebank/tidebank/shared/sms"
)

// Text is a message that arrived on a phone.
type Text struct {
	Phone string    `json:"phone"`
	Text  string    `json:"text"`
	At    time.Time `json:"at"`
}

// Faults are what the gateway can be told to do wrong.
type Faults struct {
	FailNext  int           `json:"fail_next"` // answer 503 so many times
	LoseNext  int           `json:"lose_next"` // accept, and never deliver
	Duplicate bool          `json:"duplicate"` // deliver twice
	Delay     time.Duration `json:"delay"`     // before each answer, nanoseconds
}

// Gateway is the simulator.
type Gateway struct {
	Secret string
	Now    func() time.Time

	mu     sync.Mutex
	faults Faults
	seen   map[string]bool
	inbox  []Text
}

const keep = 1000 // texts in the inbox

// SetFaults replaces the faults.
func (g *Gateway) SetFaults(f Faults) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = f
}

// Inbox lists the texts that a phone received, newest first; all phones' if the
// number is empty.
func (g *Gateway) Inbox(phone string) []Text {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := []Text{}
	for i := len(g.inbox) - 1; i >= 0; i-- {
		if phone == "" || g.inbox[i].Phone == phone {
			list = append(list, g.inbox[i])
		}
	}
	return list
}

// ServeHTTP answers POST /v1/messages.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<10))
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/messages" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	want := sms.Sign(g.Secret, r.Header.Get("X-Timestamp"), body)
	if !hmac.Equal([]byte(want), []byte(r.Header.Get("X-Signature"))) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var m sms.Message
	if err := json.Unmarshal(body, &m); err != nil || m.ID == "" || m.Phone == "" || m.Text == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(g.take(m))
}

func (g *Gateway) take(m sms.Message) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.faults.Delay > 0 {
		delay := g.faults.Delay
		g.mu.Unlock()
		time.Sleep(delay)
		g.mu.Lock()
	}
	if g.faults.FailNext > 0 {
		g.faults.FailNext--
		return http.StatusServiceUnavailable
	}
	if g.seen == nil {
		g.seen = map[string]bool{}
	}
	if g.seen[m.ID] {
		return http.StatusAccepted
	}
	g.seen[m.ID] = true
	if g.faults.LoseNext > 0 {
		g.faults.LoseNext--
		return http.StatusAccepted
	}
	text := Text{m.Phone, m.Text, g.Now()}
	g.inbox = append(g.inbox, text)
	if g.faults.Duplicate {
		g.inbox = append(g.inbox, text)
	}
	if len(g.inbox) > keep {
		g.inbox = append([]Text(nil), g.inbox[len(g.inbox)-keep:]...)
	}
	return http.StatusAccepted
}
