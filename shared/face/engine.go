package face

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

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/peer"
)

// Challenge is what a face must do. The app's SDK binds the capture to all of it.
type Challenge struct {
	ID      uuid.UUID `json:"id"`
	Nonce   []byte    `json:"nonce"`
	Actions []Action  `json:"actions"`
}

// Request asks the engine whether the face in the capture answers the challenge and is that of
// the reference photo.
type Request struct {
	Challenge
	Reference uuid.UUID `json:"reference"` // the photo's handle
	Capture   []byte    `json:"capture"`   // encrypted to the engine by its SDK
}

// Done is the engine's finding about one action.
type Done struct {
	Action Action `json:"action"`
	Live   bool   `json:"live"`
}

// Result is the engine's answer.
type Result struct {
	ID             uuid.UUID `json:"id"` // of the challenge that the capture is bound to
	Nonce          []byte    `json:"nonce"`
	Actions        []Done    `json:"actions"` // in the order of the challenge
	Live           bool      `json:"live"`    // the capture as a whole shows a living person
	Match          bool      `json:"match"`
	Duplicate      bool      `json:"duplicate"`       // the engine has had this capture before
	TemplateDigest []byte    `json:"template_digest"` // SM3 of the face's template, 32 bytes
	Engine         string    `json:"engine"`          // versions
	SDK            string    `json:"sdk"`
	Model          string    `json:"model"`
}

// Engine examines captures. After ErrUnreadable and ErrNoPhoto, no repetition can succeed; any
// other error means that there is no answer.
type Engine interface {
	Examine(ctx context.Context, r Request) (Result, error)
}

// Config holds the engine's address, the secret that signs requests and answers, how long the
// bank waits for an answer, and the versions whose results it does not use (BIO-006):
// engine=3.1.0,model=2026-05.
type Config struct {
	URL       string        `envconfig:"FACE_URL" required:"true" form:"http" secret:"true"`
	Secret    string        `envconfig:"FACE_SECRET" required:"true" secret:"true"`
	Timeout   time.Duration `envconfig:"FACE_TIMEOUT" default:"4s" min:"10ms" max:"5s"`
	Withdrawn string        `envconfig:"FACE_WITHDRAWN"`
}

// ErrWithdrawn is the reason why a process does not start with a FACE_WITHDRAWN.
var ErrWithdrawn = errors.New("FACE_WITHDRAWN is not a list such as engine=3.1.0,sdk=3.0.2,model=2026-05")

// withdrawn reads the list of versions.
func (c Config) withdrawn() (list []string, err error) {
	if c.Withdrawn == "" {
		return nil, nil
	}
	for entry := range strings.SplitSeq(c.Withdrawn, ",") {
		part, version, _ := strings.Cut(strings.TrimSpace(entry), "=")
		if !slices.Contains([]string{"engine", "sdk", "model"}, part) || version == "" {
			return nil, ErrWithdrawn
		}
		list = append(list, part+"="+version)
	}
	return list, nil
}

// ErrPlain is the reason why a process does not start with a FACE_URL.
var ErrPlain = fmt.Errorf("FACE_URL must begin with https://: %w, since captures are of customers' faces", downstream.ErrClear)

// Encrypted returns ErrPlain unless captures leave encrypted.
func (c Config) Encrypted() error {
	if !strings.HasPrefix(c.URL, "https://") {
		return ErrPlain
	}
	return nil
}

// Errors of Examine.
var (
	ErrUnreadable = errors.New("face: the capture is not sealed for the engine, altered, or bound to another challenge")
	ErrNoPhoto    = errors.New("face: the engine does not hold the reference photo")
	ErrNoAnswer   = errors.New("face: no answer that the bank can use")
)

const (
	maxAnswer   = 16 << 10
	maxVersion  = 64
	digestBytes = 32
)

// HTTP is the client of the real protocol (docs/face.md).
type HTTP struct {
	config    Config
	withdrawn []string // part=version
	client    *http.Client
	clock     clock.Clock
	timer     *downstream.Timer
}

// New returns a client, whose calls the timer times and traces. It returns ErrWithdrawn for a
// list that it can't read.
func New(config Config, now clock.Clock, timer *downstream.Timer) (*HTTP, error) {
	withdrawn, err := config.withdrawn()
	if err != nil {
		return nil, err
	}
	return &HTTP{config: config, withdrawn: withdrawn, client: peer.Client(config.Timeout), clock: now, timer: timer}, nil
}

// Examine posts the capture.
func (e *HTTP) Examine(ctx context.Context, r Request) (Result, error) {
	req, err := peer.Post(ctx, e.config.URL+"/v1/verifications", e.config.Secret, e.clock.Now(), r)
	if err != nil {
		return Result{}, fmt.Errorf("face: %w", err)
	}
	_, call := e.timer.Begin(ctx, "face verify")
	status, header, answer, err := e.send(req)
	call.End(err != nil && !errors.Is(err, context.Canceled) || status >= http.StatusInternalServerError)
	switch {
	case err != nil:
		return Result{}, err
	case status == http.StatusUnprocessableEntity:
		return Result{}, ErrUnreadable
	case status == http.StatusNotFound:
		return Result{}, ErrNoPhoto
	case status != http.StatusOK:
		return Result{}, fmt.Errorf("%w: %d", ErrNoAnswer, status)
	case !peer.Answers(header, e.config.Secret, req.Header, answer):
		return Result{}, fmt.Errorf("%w: its signature does not hold", ErrNoAnswer)
	}
	return e.read(answer)
}

func (e *HTTP) send(req *http.Request) (status int, header http.Header, answer []byte, err error) {
	resp, err := e.client.Do(req)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("face: %w", err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("face: %w", err)
	}
	return resp.StatusCode, resp.Header, answer, nil
}

// read refuses an answer without the facts that the bank keeps, and an answer of a withdrawn
// version.
func (e *HTTP) read(answer []byte) (Result, error) {
	var r Result
	if err := json.Unmarshal(answer, &r); err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	if len(r.TemplateDigest) != digestBytes {
		return Result{}, fmt.Errorf("%w: the digest has %d bytes", ErrNoAnswer, len(r.TemplateDigest))
	}
	for part, version := range map[string]string{"engine": r.Engine, "sdk": r.SDK, "model": r.Model} {
		switch {
		case version == "" || len(version) > maxVersion:
			return Result{}, fmt.Errorf("%w: a version is missing or too long", ErrNoAnswer)
		case slices.Contains(e.withdrawn, part+"="+version):
			return Result{}, fmt.Errorf("%w: its %s is a withdrawn version", ErrNoAnswer, part)
		}
	}
	return r, nil
}
