// Package facesim simulates the bank's face engine and its SDK in the app. It implements the
// protocol of docs/face.md. On request it is slow or down, or gives answers that the bank must
// not believe.
//
// The simulated SDK seals a scene, who stands before the camera and what the face does, to the
// engine's key, bound to the challenge. The engine opens it and judges it. It keeps the digests
// of captures, and no capture. An Engine is safe for concurrent use.
package facesim

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/partner"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/peer"
	"github.com/tidebank/tidebank/shared/sm"
)

// Scene is what the camera sees.
type Scene struct {
	Face  uuid.UUID     `json:"face"`  // the handle of the reference photo that shows the same person
	Does  []face.Action `json:"does"`  // in this order
	Photo bool          `json:"photo"` // a picture of a face is before the camera
	Image []byte        `json:"image"` // the frames
}

// Faults are the mistakes that a test can order from the engine.
type Faults struct {
	Delay    time.Duration `json:"delay"`    // before each answer, nanoseconds
	Down     bool          `json:"down"`     // answer 503
	NotLive  bool          `json:"not_live"` // find no living person
	NoMatch  bool          `json:"no_match"` // find another person
	Lie      bool          `json:"lie"`      // answer for another challenge
	Unsigned bool          `json:"unsigned"` // sign no answer
	NoDigest bool          `json:"no_digest"`
	NoPhoto  bool          `json:"no_photo"` // answer 404: the reference photo is not there
}

// Engine is the simulator.
type Engine struct {
	Secret string
	Now    func() time.Time

	key    *sm.PrivateKey
	mu     sync.Mutex
	faults Faults
	seen   map[string]bool // digests of captures
	calls  int
}

// New returns an engine with a key of its own.
func New(secret string, now func() time.Time) (*Engine, error) {
	key, err := sm.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("face engine: %w", err)
	}
	return &Engine{Secret: secret, Now: now, key: key, seen: map[string]bool{}}, nil
}

// SetFaults replaces the faults.
func (e *Engine) SetFaults(f Faults) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = f
}

// Calls is the number of captures that the engine has been asked about.
func (e *Engine) Calls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls
}

// Capture is the work of the SDK: it seals the scene to the engine, bound to the challenge.
func (e *Engine) Capture(c face.Challenge, s Scene) ([]byte, error) {
	clear, bound, err := encoded(s, c)
	if err != nil {
		return nil, err
	}
	key := sm.NewKey()
	sealed, err := sm.Seal(key, clear, bound)
	if err != nil {
		return nil, fmt.Errorf("face sdk: %w", err)
	}
	wrapped, err := sm.Encrypt(e.key.Public(), key[:])
	if err != nil {
		return nil, fmt.Errorf("face sdk: %w", err)
	}
	head := binary.BigEndian.AppendUint16(nil, uint16(len(wrapped)))
	return slices.Concat(head, wrapped, sealed), nil
}

func encoded(s Scene, c face.Challenge) (scene, challenge []byte, err error) {
	if scene, err = json.Marshal(s); err != nil {
		return nil, nil, fmt.Errorf("face sdk: %w", err)
	}
	if challenge, err = json.Marshal(c); err != nil {
		return nil, nil, fmt.Errorf("face sdk: %w", err)
	}
	return scene, challenge, nil
}

// open returns the scene of a capture that is sealed for the engine and bound to the challenge.
func (e *Engine) open(capture []byte, c face.Challenge) (s Scene, ok bool) {
	if len(capture) < 2 {
		return s, false
	}
	length := int(binary.BigEndian.Uint16(capture)) + 2
	if len(capture) < length {
		return s, false
	}
	raw, err := sm.Decrypt(e.key, capture[2:length])
	var key sm.Key
	if err != nil || copy(key[:], raw) != len(key) {
		return s, false
	}
	_, bound, err := encoded(s, c)
	if err != nil {
		return s, false
	}
	clear, err := sm.Open(key, capture[length:], bound)
	return s, err == nil && json.Unmarshal(clear, &s) == nil
}

// ServeHTTP answers POST /v1/verifications.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	door := partner.Door{Path: "/v1/verifications", Secret: e.Secret, Now: e.Now(), Most: 128 << 10}
	var asked face.Request
	if !door.Receive(w, r, &asked) {
		return
	}
	if asked.ID == uuid.Nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	faults := e.faults
	e.calls++
	e.mu.Unlock()
	if !partner.Wait(r.Context(), faults.Delay) {
		return // the client has left
	}
	e.answer(w, r, asked, faults)
}

func (e *Engine) answer(w http.ResponseWriter, r *http.Request, asked face.Request, faults Faults) {
	scene, ok := e.open(asked.Capture, asked.Challenge)
	switch {
	case faults.Down:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case faults.NoPhoto:
		w.WriteHeader(http.StatusNotFound)
		return
	case !ok:
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	body, err := json.Marshal(e.judge(asked, scene, faults))
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if !faults.Unsigned {
		peer.SignAnswer(w.Header(), e.Secret, r.Header, body)
	}
	_, _ = w.Write(body) // the client sees a short answer
}

// judge compares the scene with what was asked.
func (e *Engine) judge(asked face.Request, s Scene, faults Faults) face.Result {
	result := face.Result{
		ID: asked.ID, Nonce: asked.Nonce, Live: !s.Photo && !faults.NotLive, Match: s.Face == asked.Reference && !faults.NoMatch,
		Duplicate: e.known(asked.Capture), TemplateDigest: sm.Digest([]byte("template"), s.Face[:]),
		Engine: "facesim/1", SDK: "facesim-sdk/1", Model: "liveness-2026-11",
	}
	for i, action := range asked.Actions {
		done := i < len(s.Does) && s.Does[i] == action
		result.Actions = append(result.Actions, face.Done{Action: action, Live: done && result.Live})
	}
	if faults.Lie {
		result.ID = uuid.New()
	}
	if faults.NoDigest {
		result.TemplateDigest = nil
	}
	return result
}

// known reports whether the engine has had the capture before, and remembers its digest.
func (e *Engine) known(capture []byte) bool {
	digest := string(sm.Digest(capture))
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.seen[digest]
	e.seen[digest] = true
	return before
}
