package cert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/peer"
	"github.com/tidebank/tidebank/shared/sm"
)

// Config holds the address of the certificate authority's registration interface, the secret
// that signs requests, and the roots that the bank trusts. A bank without an authority sets
// none of them.
type Config struct {
	URL    string `envconfig:"CERT_URL" later:"true" form:"http" secret:"true"`
	Secret string `envconfig:"CERT_SECRET" later:"true" secret:"true"`
	Trust  Trust
}

// Trust holds the roots that the bank trusts. A bank without an authority sets none.
type Trust struct {
	Roots string `envconfig:"CERT_ROOTS" later:"true" secret:"true"` // PEM
}

// Parse reads the roots. Without any, the bank trusts no certificate.
func (t Trust) Parse() (sm.Roots, error) {
	if t.Roots == "" {
		return sm.Roots{}, nil
	}
	roots, err := sm.ParseRoots([]byte(t.Roots))
	if err != nil {
		return sm.Roots{}, fmt.Errorf("CERT_ROOTS: %w", err)
	}
	return roots, nil
}

// Reasons why a process does not start.
var (
	ErrPlain = fmt.Errorf("CERT_URL must begin with https://: %w", downstream.ErrClear)
	ErrParts = errors.New("CERT_URL, CERT_SECRET and CERT_ROOTS belong together")
)

// Encrypted returns ErrPlain unless requests leave encrypted.
func (c Config) Encrypted() error {
	if c.URL != "" && !strings.HasPrefix(c.URL, "https://") {
		return ErrPlain
	}
	return nil
}

const (
	timeout        = 2 * time.Second // below the function's time-out, so that a hung authority is an error
	maxCertificate = 32 << 10        // bytes of an answer with a certificate
	maxLists       = 4 << 20         // bytes of an answer with revocation lists
)

// Causes of refusals and failures.
var (
	errSubject  = errors.New("the request has another subject")
	errOther    = errors.New("the authority has certified another key or subject")
	errUsed     = errors.New("the key has a certificate already")
	errNone     = errors.New("the bank has no certificate authority")
	errRefused  = errors.New("the authority refuses the request")
	errNoAnswer = errors.New("the authority has not answered as it should")
	errTooLong  = errors.New("the authority's answer is too long")
)

// permanent lists the statuses by which the authority refuses the request itself. By other
// statuses it refuses the call, for example its signature. An operator can cure that.
var permanent = []int{
	http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
}

// Authority is the client of the authority's registration interface (docs/certificates.md).
type Authority struct {
	config Config
	roots  sm.Roots
	client *http.Client
	clock  clock.Clock
	timer  *downstream.Timer
}

// NewAuthority returns a client, whose calls the timer times and traces. It returns ErrParts for
// a part of a configuration, and an error if the roots are no certificates.
func NewAuthority(config Config, now clock.Clock, timer *downstream.Timer) (*Authority, error) {
	a := &Authority{config: config, client: peer.Client(timeout), clock: now, timer: timer}
	if config == (Config{}) {
		return a, nil
	}
	if config.URL == "" || config.Secret == "" || config.Trust.Roots == "" {
		return nil, ErrParts
	}
	var err error
	a.roots, err = config.Trust.Parse()
	return a, err
}

// Exists reports whether the bank has an authority.
func (a *Authority) Exists() bool { return a.config.URL != "" }

// Question is the body of a request to the authority.
type Question struct {
	ID      string `json:"id"` // of the application; the authority issues once for it
	Request []byte `json:"csr"`
}

// reply is the authority's good answer.
type reply struct {
	Certificate []byte   `json:"certificate"`
	Chain       [][]byte `json:"chain"` // the authorities between it and the root
}

// Issue asks the authority for the certificate of an application. The authority issues once
// for an application, so a repetition after a lost answer gets the same certificate. It
// returns ErrRejected if the authority refuses the request for good, and
// SERVICE_UNAVAILABLE if it does not answer with a good certificate in time.
func (a *Authority) Issue(ctx context.Context, of Application) (Issued, error) {
	if !a.Exists() {
		return Issued{}, bankerr.ErrUnavailable.Because(errNone)
	}
	var answer reply
	err := a.ask(ctx, "certificates", Question{ID: of.ID.String(), Request: of.DER}, maxCertificate, &answer)
	if errors.Is(err, errRefused) {
		return Issued{}, ErrRejected.Because(err)
	}
	if err != nil {
		return Issued{}, bankerr.ErrUnavailable.Because(err)
	}
	issued, err := checked(of, answer, a.roots, a.clock.Now())
	if err != nil {
		return Issued{}, because(bankerr.ErrUnavailable, err)
	}
	return issued, nil
}

// ask posts a question and reads an answer of at most so many bytes. It returns errRefused if
// the authority refuses the question for good.
func (a *Authority) ask(ctx context.Context, path string, question any, most int64, answer any) error {
	req, err := peer.Post(ctx, a.config.URL+"/v1/"+path, a.config.Secret, a.clock.Now(), question)
	if err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	_, call := a.timer.Begin(ctx, "certificate authority")
	status, body, err := a.send(req, most)
	call.End(err != nil && !errors.Is(err, context.Canceled) || status >= http.StatusInternalServerError)
	switch {
	case err != nil:
		return err
	case slices.Contains(permanent, status):
		return fmt.Errorf("%w: %d", errRefused, status)
	case status != http.StatusOK:
		return fmt.Errorf("%w: %d", errNoAnswer, status)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	return nil
}

func (a *Authority) send(req *http.Request, most int64) (status int, body []byte, err error) {
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("certificate authority: %w", err)
	}
	defer resp.Body.Close() // the answer has been read
	body, err = io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("certificate authority: %w", err)
	case int64(len(body)) > most:
		return 0, nil, errTooLong
	}
	return resp.StatusCode, body, nil
}

// because makes a refusal of an error. A shut crypto module is a failure of the bank's own.
func because(refusal *bankerr.Error, err error) error {
	if errors.Is(err, sm.ErrModule) {
		refusal = bankerr.ErrInternal
	}
	return refusal.Because(err)
}
