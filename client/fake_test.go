package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/keytest"
)

// fake is a bank that does as a test says: it opens channels and frames as the
// bank does, and answers by script. It is a transport without a network, so that
// a test's time need not pass.
type fake struct {
	t         *testing.T
	signer    *sm.PrivateKey
	passwords *sm.PrivateKey
	script    func(c *call) (*http.Response, error)
	welcome   func(*channel.Welcome) // spoils the answer to a hello

	mu       sync.Mutex
	paths    []string
	bodies   [][]byte
	channels map[channel.ID]channel.Keys
	calls    []*call
}

// call is a request that a fake opened.
type call struct {
	keys     channel.Keys
	header   channel.Header
	function string
	at       time.Time
	Key      string          `json:"idempotency_key"`
	Request  json.RawMessage `json:"request"`
}

func newFake(t *testing.T, script func(c *call) (*http.Response, error)) *fake {
	t.Helper()
	return &fake{
		t: t, signer: keytest.PrivateKey(t), passwords: keytest.PrivateKey(t), script: script,
		channels: map[channel.ID]channel.Keys{},
	}
}

// sign signs as the fake's bank.
func (f *fake) sign(message []byte) ([]byte, error) { return sm.Sign(f.signer, message) }

// app is a client of the fake.
func (f *fake) app() *client.Client {
	return client.New(f.config())
}

func (f *fake) config() client.Config {
	return client.Config{
		BaseURL: "http://bank", DeviceID: "phone-of-wang", Device: keytest.PrivateKey(f.t), Pinned: f.signer.Public(),
		HTTP: &http.Client{Transport: f}, Now: time.Now, Tries: 3, Pause: time.Second,
	}
}

// RoundTrip answers a request.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.paths, f.bodies = append(f.paths, r.URL.Path), append(f.bodies, body)
	f.mu.Unlock()
	if r.URL.Path == "/function/channel-open" {
		return f.open(body)
	}
	c, err := f.read(strings.TrimPrefix(r.URL.Path, "/function/"), body)
	if err != nil {
		f.t.Error(err)
		return nil, err
	}
	return f.script(c)
}

func (f *fake) open(body []byte) (*http.Response, error) {
	var hello channel.Hello
	if err := json.Unmarshal(body, &hello); err != nil {
		return nil, err
	}
	password, err := f.passwords.Public().Marshal()
	if err != nil {
		return nil, err
	}
	if f.welcome != nil {
		var signed channel.Welcome // signed fields are spoilt before signing, the others after
		f.welcome(&signed)
		if signed.PasswordKey != nil {
			password = signed.PasswordKey
		}
	}
	w, id, opened, err := channel.Server{Sign: f.sign, PasswordKey: password, Life: time.Hour}.Respond(hello)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.channels[id] = opened
	f.mu.Unlock()
	if f.welcome != nil {
		f.welcome(&w)
	}
	raw, err := json.Marshal(w)
	return answer(http.StatusOK, "application/json", raw), err
}

var errFrame = errors.New("the client sent what does not open")

func (f *fake) read(function string, frame []byte) (*call, error) {
	h, err := channel.ParseHeader(frame)
	if err != nil {
		return nil, errFrame
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	opened := f.channels[h.ID]
	clear, err := channel.OpenRequest(opened, frame, http.MethodPost, function)
	if err != nil {
		return nil, errFrame
	}
	c := &call{keys: opened, header: h, function: function, at: time.Now()}
	if err := json.Unmarshal(clear, c); err != nil {
		return nil, err
	}
	f.calls = append(f.calls, c)
	return c, nil
}

// seen are the calls that came so far.
func (f *fake) seen() []*call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*call(nil), f.calls...)
}

// visits are the paths that were asked for so far.
func (f *fake) visits() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.paths...)
}

func answer(status int, kind string, body []byte) *http.Response {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return w.Result()
}

// reply seals an answer as the bank does.
func (c *call) reply(status int, body string) *http.Response {
	frame, err := channel.SealReply(c.keys, c.header, time.Now(), c.function, status, []byte(body))
	if err != nil {
		panic(err)
	}
	return answer(status, channel.MediaType, frame)
}

// refuse seals a problem.
func (c *call) refuse(status int, code string) *http.Response {
	return c.reply(status, `{"code":"`+code+`","title":"标题","detail":"说明","field":"f","trace":"t"}`)
}

// good is the script of a bank where all is well.
func good(c *call) (*http.Response, error) { return c.reply(http.StatusOK, `{"n":7}`), nil }

type reply struct {
	N int `json:"n"`
}
