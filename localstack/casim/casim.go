// Package casim simulates the bank's certificate authority behind its registration
// interface (docs/certificates.md). It has a root and an authority below it, which issues
// certificates for signatures and lists those that it has revoked. On request it fails, delays,
// drops its answers, or issues or lists wrongly.
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
	"slices"
	"sync"
	"time"

	"github.com/tidebank/tidebank/localstack/partner"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/sm"
)

// Life is how long an issued certificate is valid, ListLife how long a revocation list is.
const (
	Life     = 5 * 365 * 24 * time.Hour
	ListLife = time.Hour
)

// maxID bounds the id of an application.
const maxID = 64

// Faults are the mistakes that a test can order from the authority.
type Faults struct {
	Down          bool          // answer 503 and issue nothing
	SwallowAnswer int           // issue and answer 502 so many times
	Delay         time.Duration // before each answer
	Foreign       bool          // issue and list below a root that the bank does not trust
	Key           *sm.PublicKey // certify this key in place of the request's
	Subject       []byte        // certify this subject in place of the request's
	Expired       bool          // issue certificates and lists that are not valid any more
	Long          bool          // answer more than the bank reads
}

// wrong reports whether lists are made wrongly.
func (f Faults) wrong() bool { return f.Foreign || f.Expired }

// CA is the simulator.
type CA struct {
	secret string
	now    func() time.Time

	root, below, foreign *sm.Authority

	mu      sync.Mutex
	faults  Faults
	issued  map[string]issued
	revoked []string // serials
	list    list
}

// list is the newest revocation list.
type list struct {
	der    []byte
	number int64
	made   time.Time
	holds  int  // serials
	wrong  bool // made as the faults said
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
	return cert.Config{URL: url, Secret: c.secret, Trust: cert.Trust{Roots: string(c.root.PEM())}}
}

// SetFaults replaces the faults.
func (c *CA) SetFaults(f Faults) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = f
}

// Revoke revokes the certificate with the serial. Its next answer with a list tells it.
func (c *CA) Revoke(serial string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revoked = append(c.revoked, serial)
}

// Revoked reports whether the certificate with the serial is revoked.
func (c *CA) Revoked(serial string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.revoked, serial)
}

// ServeHTTP answers POST to /v1/certificates, /v1/certificates/revoke and /v1/revocations.
func (c *CA) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const revocations, revoke = "/v1/revocations", "/v1/certificates/revoke"
	switch r.URL.Path {
	case revocations:
		if c.receive(w, r, revocations, &struct{}{}) {
			write(w, c.lists)
		}
	case revoke:
		var q cert.Revoked
		if c.receive(w, r, revoke, &q) {
			write(w, func() (int, []byte) { return c.revoke(q) })
		}
	default:
		var q cert.Question
		if c.receive(w, r, "/v1/certificates", &q) {
			write(w, func() (int, []byte) { return c.issue(q) })
		}
	}
}

// receive reads a signed request, and waits as the faults say. If it returns false, it has
// answered, or the client has left.
func (c *CA) receive(w http.ResponseWriter, r *http.Request, path string, into any) bool {
	door := partner.Door{Path: path, Secret: c.secret, Now: c.now(), Most: 16 << 10}
	return door.Receive(w, r, into) && partner.Wait(r.Context(), c.delay())
}

// revoke revokes a certificate, and answers a repetition as it did.
func (c *CA) revoke(q cert.Revoked) (status int, answer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.faults.Down:
		return http.StatusServiceUnavailable, nil
	case !bytes.Equal(q.Authority, c.below.DER()):
		return http.StatusUnprocessableEntity, nil
	case !slices.Contains(c.revoked, q.Serial):
		c.revoked = append(c.revoked, q.Serial)
	}
	return http.StatusOK, []byte("{}")
}

func write(w http.ResponseWriter, answered func() (status int, answer []byte)) {
	status, answer := answered()
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
	if q.ID == "" || len(q.ID) > maxID {
		return http.StatusBadRequest, nil
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
		certificate, chain, err := c.certify(request)
		if err != nil {
			return http.StatusInternalServerError, nil
		}
		if before.answer, err = json.Marshal(map[string]any{"certificate": certificate, "chain": chain}); err != nil {
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

// Certify issues a certificate without a registration, as the faults say.
func (c *CA) Certify(r sm.Request) (certificate []byte, chain [][]byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.certify(r)
}

func (c *CA) certify(r sm.Request) (certificate []byte, chain [][]byte, err error) {
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
	if certificate, err = by.Issue(r, from, Life); err != nil {
		return nil, nil, fmt.Errorf("issue: %w", err)
	}
	return certificate, [][]byte{by.DER()}, nil
}

// lists answers with the newest list. It makes another one if a certificate was revoked since, or
// half of the list's life is over.
func (c *CA) lists() (status int, answer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults.Down {
		return http.StatusServiceUnavailable, nil
	}
	now := c.now()
	if c.list.holds != len(c.revoked) || now.Sub(c.list.made) >= ListLife/2 || c.list.wrong || c.faults.wrong() {
		if err := c.makeList(now); err != nil {
			return http.StatusInternalServerError, nil
		}
	}
	chain := [][]byte{c.below.DER()}
	answer, err := json.Marshal(map[string]any{"lists": []any{map[string]any{"crl": c.list.der, "chain": chain}}})
	if err != nil {
		return http.StatusInternalServerError, nil
	}
	return http.StatusOK, answer
}

func (c *CA) makeList(now time.Time) error {
	by, from := c.below, now
	if c.faults.Foreign {
		by = c.foreign
	}
	if c.faults.Expired {
		from = from.Add(-ListLife)
	}
	der, err := by.Revoke(c.revoked, c.list.number+1, from, ListLife)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	c.list = list{der: der, number: c.list.number + 1, made: from, holds: len(c.revoked), wrong: c.faults.wrong()}
	return nil
}
