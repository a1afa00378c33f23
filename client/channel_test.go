package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

const opening = "/function/channel-open"

func TestOpensWhenFirstNeeded(t *testing.T) {
	t.Parallel()
	f := newFake(t, good)
	app := f.app()
	if got := f.visits(); len(got) != 0 {
		t.Errorf("a client that nobody used asked for %v", got)
	}
	for range 2 {
		var got reply
		check.Must(t, app.Call(t.Context(), "x-y", map[string]int{"a": 1}, &got))
		if got.N != 7 {
			t.Errorf("read %+v", got)
		}
	}
	if diff := cmp.Diff([]string{opening, "/function/x-y", "/function/x-y"}, f.visits()); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	if c := f.seen()[1]; string(c.Request) != `{"a":1}` || c.Key != "" {
		t.Errorf("sent %s under %q", c.Request, c.Key)
	}
}

// A bank that can't prove the pinned key gets a hello, and nothing after it.
func TestPinsTheBank(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-014.1", "CRYPTO-016.2")
	otherKey, err := newKey(t).Public().Marshal()
	check.Must(t, err)
	for name, spoil := range map[string]func(f *fake, config *client.Config){
		"another key":  func(_ *fake, config *client.Config) { config.Pinned = newKey(t).Public() },
		"another bank": func(f *fake, _ *client.Config) { f.signer = newKey(t) },
		"a changed channel": func(f *fake, _ *client.Config) {
			f.welcome = func(w *channel.Welcome) { w.ChannelID = make([]byte, 16) }
		},
		"no channel": func(f *fake, _ *client.Config) { f.welcome = func(w *channel.Welcome) { w.ChannelID = nil } },
		"a changed random": func(f *fake, _ *client.Config) {
			f.welcome = func(w *channel.Welcome) { w.ServerRandom = make([]byte, 32) }
		},
		"another exchange": func(f *fake, _ *client.Config) { f.welcome = func(w *channel.Welcome) { w.ServerKey = otherKey } },
		"no signature":     func(f *fake, _ *client.Config) { f.welcome = func(w *channel.Welcome) { w.Signature = nil } },
		"another password key": func(f *fake, _ *client.Config) {
			f.welcome = func(w *channel.Welcome) {
				if w.ChannelID != nil { // after it was signed
					w.PasswordKey = otherKey
				}
			}
		},
		"a password key that is none": func(f *fake, _ *client.Config) {
			f.welcome = func(w *channel.Welcome) { w.PasswordKey = []byte("key") }
		},
	} {
		f := newFake(t, good)
		config := f.config()
		spoil(f, &config)
		app := client.New(config)
		if err := app.Call(t.Context(), "x-y", struct{}{}, &reply{}); !errors.Is(err, client.ErrBank) {
			t.Errorf("%s: Call: %v, want ErrBank", name, err)
		}
		if err := app.CallOnce(t.Context(), "x-y", "", struct{}{}, &reply{}); !errors.Is(err, client.ErrBank) {
			t.Errorf("%s: CallOnce: %v, want ErrBank", name, err)
		}
		if _, err := app.Login(t.Context(), "13800010001", "tide-2026x", "123456"); !errors.Is(err, client.ErrBank) {
			t.Errorf("%s: Login: %v, want ErrBank", name, err)
		}
		if diff := cmp.Diff([]string{opening, opening, opening}, f.visits()); diff != "" {
			t.Errorf("%s: asked for (-want +got):\n%s", name, diff)
		}
		for _, body := range f.bodies {
			wantHello(t, body, config)
		}
	}
}

// wantHello sees that nothing of the customer stands in a hello.
func wantHello(t *testing.T, body []byte, config client.Config) {
	t.Helper()
	var hello channel.Hello
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	check.Must(t, decoder.Decode(&hello))
	device, err := config.Device.Public().Marshal()
	check.Must(t, err)
	if hello.DeviceID != config.DeviceID || bytes.Equal(hello.ClientKey, device) {
		t.Errorf("a hello says %s, and shows the device's key: %v", body, bytes.Equal(hello.ClientKey, device))
	}
}

func TestARefusedChannelIsAProblem(t *testing.T) {
	t.Parallel()
	for kind, body := range map[string]string{
		"application/problem+json": `{"code":"CHANNEL_REFUSED","title":"x"}`, "text/html": "<h1>x</h1>",
	} {
		f := newFake(t, good)
		config := f.config()
		config.HTTP = &http.Client{Transport: answers(func() *http.Response { return answer(http.StatusBadRequest, kind, []byte(body)) })}
		var p *client.Problem
		err := client.New(config).Call(t.Context(), "x-y", struct{}{}, &reply{})
		if !errors.As(err, &p) || p.Status != http.StatusBadRequest || p.Title == "" || errors.Is(err, client.ErrBank) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	f := newFake(t, good)
	config := f.config()
	page := func() *http.Response { return answer(http.StatusOK, "text/html", []byte("<h1>x</h1>")) }
	config.HTTP = &http.Client{Transport: answers(page)}
	if err := client.New(config).Call(t.Context(), "x-y", struct{}{}, &reply{}); !errors.Is(err, client.ErrBank) {
		t.Errorf("a page for a channel: %v, want ErrBank", err)
	}
}

// answers is a transport that knows one answer.
type answers func() *http.Response

func (a answers) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

// What is not the bank's answer to this very call is nobody's answer.
func TestForeignRepliesAreRefused(t *testing.T) {
	t.Parallel()
	var first *call
	reframe := func(c *call, spoil func(frame []byte) []byte) *http.Response {
		frame, err := channel.SealReply(c.keys, c.header, c.at, c.function, http.StatusOK, []byte(`{"n":7}`))
		check.Must(t, err)
		return answer(http.StatusOK, channel.MediaType, spoil(frame))
	}
	for name, bad := range map[string]func(c *call) *http.Response{
		"in clear": func(*call) *http.Response { return answer(http.StatusOK, "application/json", []byte(`{"n":7}`)) },
		"clear text called a frame": func(*call) *http.Response {
			return answer(http.StatusOK, channel.MediaType, []byte(`{"n":7}`))
		},
		"a frame called text": func(c *call) *http.Response {
			r := c.reply(http.StatusOK, `{"n":7}`)
			r.Header.Set("Content-Type", "application/json")
			return r
		},
		"a changed byte": func(c *call) *http.Response {
			return reframe(c, func(f []byte) []byte { f[len(f)-1] ^= 1; return f })
		},
		"a changed header": func(c *call) *http.Response { return reframe(c, func(f []byte) []byte { f[30] ^= 1; return f }) },
		"cut":              func(c *call) *http.Response { return reframe(c, func(f []byte) []byte { return f[:len(f)-1] }) },
		"empty":            func(c *call) *http.Response { return reframe(c, func([]byte) []byte { return nil }) },
		"an earlier call's": func(c *call) *http.Response {
			return (&call{keys: c.keys, header: first.header, function: c.function}).reply(http.StatusOK, `{"n":7}`)
		},
		"another function's": func(c *call) *http.Response {
			return (&call{keys: c.keys, header: c.header, function: "x-z"}).reply(http.StatusOK, `{"n":7}`)
		},
		"a refusal made good": func(c *call) *http.Response {
			r := c.reply(http.StatusUnprocessableEntity, `{"n":7}`)
			r.StatusCode = http.StatusOK
			return r
		},
		"a good one refused": func(c *call) *http.Response {
			r := c.reply(http.StatusOK, `{"code":"X"}`)
			r.StatusCode = http.StatusUnprocessableEntity
			return r
		},
		"another channel's": func(c *call) *http.Response {
			other := *c
			other.keys.ServerToClient = sm.NewKey()
			return other.reply(http.StatusOK, `{"n":7}`)
		},
		"the request itself": func(c *call) *http.Response {
			frame, err := channel.SealRequest(c.keys, c.header, http.MethodPost, c.function, []byte(`{"n":7}`))
			check.Must(t, err)
			return answer(http.StatusOK, channel.MediaType, frame)
		},
	} {
		f := newFake(t, good)
		app := f.app()
		check.Must(t, app.Call(t.Context(), "x-y", struct{}{}, &reply{}))
		first = f.seen()[0]
		f.script = func(c *call) (*http.Response, error) { return bad(c), nil }
		var got reply
		if err := app.Call(t.Context(), "x-y", struct{}{}, &got); !errors.Is(err, client.ErrBank) || got.N != 0 {
			t.Errorf("%s: %+v, %v; want ErrBank", name, got, err)
		}
		// Whoever answers so would answer so again: it is not repeated.
		if err := app.CallOnce(t.Context(), "x-y", "", struct{}{}, &got); !errors.Is(err, client.ErrBank) || len(f.seen()) != 3 {
			t.Errorf("%s: after %d calls %v, want ErrBank after 3", name, len(f.seen()), err)
		}
	}
}

func TestRefusalsCompareByCode(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(c *call) (*http.Response, error) {
		return c.refuse(http.StatusUnprocessableEntity, "FUNDS_INSUFFICIENT"), nil
	})
	err := f.app().Call(t.Context(), "x-y", struct{}{}, &reply{})
	if !errors.Is(err, &client.Problem{Code: "FUNDS_INSUFFICIENT"}) || errors.Is(err, &client.Problem{Code: "FUNDS"}) ||
		errors.Is(err, client.ErrBank) {
		t.Errorf("compares wrongly: %v", err)
	}
	var p *client.Problem
	if !errors.As(fmt.Errorf("pay: %w", err), &p) {
		t.Fatalf("no Problem: %v", err)
	}
	want := []string{"FUNDS_INSUFFICIENT", "标题", "说明", "f", "t"}
	if diff := cmp.Diff(want, []string{p.Code, p.Title, p.Detail, p.Field, p.Trace}); diff != "" || p.Status != 422 {
		t.Errorf("status %d (-want +got):\n%s", p.Status, diff)
	}
	if !strings.Contains(err.Error(), "422 FUNDS_INSUFFICIENT") {
		t.Errorf("for logs: %v", err)
	}
}

// No two requests of a channel have one sequence, also when fifty are sent at once.
func TestConcurrentCallsShareOneChannelAndNoSequence(t *testing.T) {
	t.Parallel()
	f := newFake(t, good)
	app := f.app()
	check.Must(t, errors.Join(check.AtOnce(50, func(int) error {
		return app.Call(t.Context(), "x-y", struct{}{}, &reply{})
	})...))
	wantUnique(t, f)
	if n := strings.Count(strings.Join(f.visits(), " "), opening); n != 1 {
		t.Errorf("opened %d channels, want one", n)
	}
}

func wantUnique(t *testing.T, f *fake) {
	t.Helper()
	type place struct {
		id       channel.ID
		sequence uint64
	}
	used := map[place]bool{}
	for _, c := range f.seen() {
		at := place{c.header.ID, c.header.Sequence}
		if used[at] {
			t.Errorf("sequence %d came twice in one channel", at.sequence)
		}
		used[at] = true
	}
}
