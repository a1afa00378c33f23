// Package casim simulates the bank's certificate authority behind its registration
// interface (docs/certificates.md). It has a root and an authority below it, which issues
// certificates for signatures. On request it fails, delays, drops its answers, or issues
// wrongly.
//
// The authority issues once for each application. It answers the same request again with the
// same certificate, and refuses another request under the same id. A CA is safe for
// concurrent use.
package casim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tidebank/tidebank/localstack/partner"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/sm"
)

// Life is how long an issued certificate is valid.
const Life = 5 * 365 * 24 * time.Hour

// maxID bounds the id of an application.
const maxID = 64

// Faults are the mistakes that a test can order from the authority.
type Faults struct {
	Down          bool          // answer 503 and issue nothing
	SwallowAnswer int           // issue and answer 502 so many times
	Delay         time.Duration // before each answer
	Foreign       bool          // issue below a root that the bank does not trust
	Key           *sm.PublicKey // certify this key in place of the request's
	Subject       []byte        // certify this subject in place of the request's
	Expired       bool          // issue certificates that are not valid any more
	Long          bool          // answer more than the bank reads
}

// CA is the simulator.
type CA struct {
	secret string
	now    func() time.Time

	root, below, foreign *sm.Authority

	mu     sync.Mutex
	faults Faults
	issued map[string]issued
}

type issued struct{ request, answer []byte }

// New makes an authority whose roots begin a year before now.
func New(secret string, now func() time.Time) (*CA, error) {
	c := &CA{secret: secret, now: now, issued: map[string]issued{}}
	from := now().AddDate(-1, 0, 0)
	var err error
	if c.root, err = sm.NewAuthority("Tidebank test root", from, 30*Life); err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	if c.below, err = c.root.Subordinate("Tidebank test authority", from, 10*Life); err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	if c.foreign, err = sm.NewAuthority("Tidebank test authority", from, 10*Life); err != nil {
		return nil, fmt.Errorf("foreign authority: %w", err)
	}
	return c, nil
}

// Config is the bank's configuration for this authority at an address.
func (c *CA) Config(url string) cert.Config {
	return cert.Config{URL: url, Secret: c.secret, Roots: string(c.root.PEM())}
}

// SetFaults replaces the faults.
func (c *CA) SetFaults(f Faults) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = f
}

// ServeHTTP answers POST /v1/certificates.
func (c *CA) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	door := partner.Door{Path: "/v1/certificates", Secret: c.secret, Now: c.now(), Most: 16 << 10}
	var q cert.Question
	if !door.Receive(w, r, &q) {
		return
	}
	if q.ID == "" || len(q.ID) > maxID {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !partner.Wait(r.Context(), c.delay()) {
		return // the client has left
	}
	status, answer := c.issue(q)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(answer) // a client that has left asks again
}

func (c *CA) delay() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults.Delay
}

func (c *CA) issue(q cert.Question) (status int, answer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults.Down {
		return http.StatusServiceUnavailable, nil
	}
	before, seen := c.issued[q.ID]
	if seen && !bytes.Equal(before.request, q.Request) {
		return http.StatusConflict, nil
	}
	if !seen {
		request, err := sm.ParseRequest(q.Request)
		if err != nil {
			return http.StatusUnprocessableEntity, nil
		}
		if before.answer, err = c.certify(request); err != nil {
			return http.StatusInternalServerError, nil
		}
		c.issued[q.ID] = issued{q.Request, before.answer}
	}
	if c.faults.SwallowAnswer > 0 {
		c.faults.SwallowAnswer--
		return http.StatusBadGateway, nil
	}
	if c.faults.Long {
		return http.StatusOK, append(bytes.Repeat([]byte(" "), 1<<16), before.answer...)
	}
	return http.StatusOK, before.answer
}

// certify issues a certificate and makes the answer.
func (c *CA) certify(r sm.Request) ([]byte, error) {
	by, from := c.below, c.now().Add(-time.Minute)
	if c.faults.Foreign {
		by = c.foreign
	}
	if c.faults.Key != nil {
		r.Key = c.faults.Key
	}
	if c.faults.Subject != nil {
		r.Subject = c.faults.Subject
	}
	if c.faults.Expired {
		from = from.Add(-Life)
	}
	der, err := by.Issue(r, from, Life)
	if err != nil {
		return nil, fmt.Errorf("issue: %w", err)
	}
	answer, err := json.Marshal(map[string]any{"certificate": der, "chain": [][]byte{by.DER()}})
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return answer, nil
}
