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
	Roots  string `envconfig:"CERT_ROOTS" later:"true" secret:"true"` // PEM
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
	timeout   = 2 * time.Second // below the function's time-out, so that a hung authority is an error
	maxAnswer = 32 << 10
)

// Causes of refusals and failures.
var (
	errSubject  = errors.New("the request has another subject")
	errOther    = errors.New("the authority has certified another key or subject")
	errUsed     = errors.New("the key has a certificate already")
	errNone     = errors.New("the bank has no certificate authority")
	errRefused  = errors.New("the authority refuses the request")
	errNoAnswer = errors.New("the authority has not issued")
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
}

// NewAuthority returns a client. It returns ErrParts for a part of a configuration, and an
// error if the roots are no certificates.
func NewAuthority(config Config, now clock.Clock) (*Authority, error) {
	a := &Authority{config: config, client: peer.Client(timeout), clock: now}
	if config == (Config{}) {
		return a, nil
	}
	if config.URL == "" || config.Secret == "" || config.Roots == "" {
		return nil, ErrParts
	}
	var err error
	if a.roots, err = sm.ParseRoots([]byte(config.Roots)); err != nil {
		return nil, fmt.Errorf("CERT_ROOTS: %w", err)
	}
	return a, nil
}

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
	if a.config.URL == "" {
		return Issued{}, bankerr.ErrUnavailable.Because(errNone)
	}
	answer, err := a.ask(ctx, of)
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

func (a *Authority) ask(ctx context.Context, of Application) (answer reply, err error) {
	question := Question{ID: of.ID.String(), Request: of.DER}
	req, err := peer.Post(ctx, a.config.URL+"/v1/certificates", a.config.Secret, a.clock.Now(), question)
	if err != nil {
		return reply{}, fmt.Errorf("certificate authority: %w", err)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("certificate authority: %w", err)
	}
	defer resp.Body.Close() // the answer has been read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return reply{}, fmt.Errorf("certificate authority: %w", err)
	case slices.Contains(permanent, resp.StatusCode):
		return reply{}, fmt.Errorf("%w: %d", errRefused, resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return reply{}, fmt.Errorf("%w: %d", errNoAnswer, resp.StatusCode)
	case len(body) > maxAnswer:
		return reply{}, errTooLong
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return reply{}, fmt.Errorf("certificate authority: %w", err)
	}
	return answer, nil
}

// because makes a refusal of an error. A shut crypto module is a failure of the bank's own.
func because(refusal *bankerr.Error, err error) error {
	if errors.Is(err, sm.ErrModule) {
		refusal = bankerr.ErrInternal
	}
	return refusal.Because(err)
}
