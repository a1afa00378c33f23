// Package facetest gives a test its own face engine, and the customers' faces before it.
package facetest

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	identityfacebegin "github.com/tidebank/tidebank/functions/identity/facebegin"
	identityfacefinish "github.com/tidebank/tidebank/functions/identity/facefinish"
	"github.com/tidebank/tidebank/localstack/facesim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// Engine is the bank's face engine.
type Engine struct {
	*facesim.Engine
	bank   *bank.Bank
	config face.Config
}

// MaxAge is the age at which a reference photo is too old.
const MaxAge = 365 * 24 * time.Hour

// Wait is how long the bank waits for the engine.
const Wait = 2 * time.Second

// Policy is the setting of the test's bank.
var Policy = face.Policy{MaxAge: MaxAge}

// Start runs an engine for the test and opens the functions that check faces.
func Start(t testing.TB, b *bank.Bank) Engine {
	t.Helper()
	secret := uuid.NewString()
	engine, err := facesim.New(secret, b.Clock.Now)
	check.Must(t, err)
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	b.Open(t, identityfacebegin.Function, Policy)
	made := Engine{engine, b, face.Config{URL: server.URL, Secret: secret, Timeout: Wait}}
	made.Withdraw(t, "")
	return made
}

// Withdraw opens identity-face-finish anew, with a list of versions that are withdrawn.
func (e Engine) Withdraw(t testing.TB, versions string) {
	t.Helper()
	e.config.Withdrawn = versions
	e.bank.Forget(identityfacefinish.Function)
	e.bank.Open(t, identityfacefinish.Function, Policy, e.config)
}

// Photo gives the customer a reference photo that was taken now.
func (e Engine) Photo(t testing.TB, c seed.Customer) face.Reference {
	t.Helper()
	made := face.Reference{Handle: uuid.New(), Kind: face.Counter, TakenAt: e.bank.Clock.Now()}
	check.Must(t, e.bank.Seeder().Refer(t.Context(), c, made))
	return made
}

// Begin begins a check for the intent.
func (e Engine) Begin(t testing.TB, phone *bank.Device, intent uuid.UUID) (c face.Challenge) {
	t.Helper()
	var begun identityfacebegin.Response
	phone.Call(t, identityfacebegin.Function, "", identityfacebegin.Request{IntentID: intent}).Into(t, &begun)
	return face.Challenge{ID: begun.CheckID, Nonce: begun.Nonce, Actions: begun.Actions}
}

// Image stands in each capture, so that a test can look for it.
const Image = "\xff\xd8\xff\xe0 a face of a customer \xff\xd9"

// Good is the scene in which the person of the photo does what the challenge asks.
func Good(c face.Challenge, photo face.Reference) facesim.Scene {
	return facesim.Scene{Face: photo.Handle, Does: c.Actions, Image: []byte(Image)}
}

// Captured is the request that brings the capture of a scene.
func (e Engine) Captured(t testing.TB, c face.Challenge, s facesim.Scene) identityfacefinish.Request {
	t.Helper()
	capture, err := e.Capture(c, s)
	check.Must(t, err)
	return identityfacefinish.Request{CheckID: c.ID, Capture: capture}
}

// Finish brings the capture of a scene.
func (e Engine) Finish(t testing.TB, phone *bank.Device, c face.Challenge, s facesim.Scene) bank.Reply {
	t.Helper()
	return phone.Call(t, identityfacefinish.Function, "", e.Captured(t, c, s))
}

// Proof lets the face of the photo pass for the intent, and is the proof of it.
func (e Engine) Proof(t testing.TB, phone *bank.Device, intent uuid.UUID, photo face.Reference) stepup.Proof {
	t.Helper()
	c := e.Begin(t, phone, intent)
	e.Finish(t, phone, c, Good(c, photo)).Want(t, "")
	return stepup.Proof{Factor: stepup.Face, CheckID: &c.ID}
}

// Try begins and finishes a check for the intent, in which a stranger is before the camera.
func (e Engine) Try(t testing.TB, phone *bank.Device, intent uuid.UUID) bank.Reply {
	t.Helper()
	c := e.Begin(t, phone, intent)
	return e.Finish(t, phone, c, Good(c, face.Reference{Handle: uuid.New()}))
}
