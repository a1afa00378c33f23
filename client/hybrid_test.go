package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/client"
	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

// way is the way to a bank over HTTP, on which somebody may change what is sent.
type way struct {
	hello   func(map[string]any) // of channel-open
	welcome func(map[string]any)
	paths   []string
	status  int // of the last hello's answer
}

// RoundTrip passes a request on.
func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	w.paths = append(w.paths, r.URL.Path)
	if r.URL.Path != opening {
		return http.DefaultTransport.RoundTrip(r)
	}
	body, err := changed(r.Body, w.hello)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.status = answer.StatusCode
	body, err = changed(answer.Body, w.welcome)
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer.Header.Del("Content-Length")
	return answer, err
}

// changed reads a JSON object, changes it and closes its source.
func changed(body io.ReadCloser, change func(map[string]any)) ([]byte, error) {
	raw, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil || change == nil {
		return raw, err
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	change(fields)
	return json.Marshal(fields)
}

// newPolicyBank serves over HTTP with a policy about version 2.
func newPolicyBank(t *testing.T, policy channel.Policy, w *way) client.Config {
	t.Helper()
	b := bank.On(t, pgtest.Broken(t))
	g, err := gateway.New(t.Context(), []fn.Function{channelopen.Function, captchaissue.Function}, b.Host,
		host.Values(channelopen.Config{Hybrid: string(policy)}))
	check.Must(t, err)
	server := httptest.NewServer(g.Mux)
	t.Cleanup(server.Close)
	return client.Config{
		BaseURL: server.URL, DeviceID: "phone-of-wang", Device: keytest.PrivateKey(t), Pinned: b.Host.Keys.Public(keys.Channel),
		Now: b.Clock.Now, HTTP: &http.Client{Transport: w}, Tries: 3, Pause: time.Millisecond,
	}
}

// The client gets version 2 from each bank that has it, and version 1 only from a bank that
// has chosen it, unless it requires version 2.
func TestTheClientGetsTheBestVersion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy   channel.Policy
		requires bool
		want     int
	}{
		{channel.HybridOn, false, 2},
		{channel.HybridOn, true, 2},
		{channel.HybridRequired, false, 2},
		{channel.HybridOff, false, 1},
		{channel.HybridOff, true, 0},
	} {
		w := &way{}
		config := newPolicyBank(t, tt.policy, w)
		config.RequireHybrid = tt.requires
		app := client.New(config)
		if got := app.ChannelVersion(); got != 0 {
			t.Errorf("before the first call the version is %d", got)
		}
		err := app.CallOnce(t.Context(), "captcha-issue", "", struct{}{}, &client.CaptchaIssueReply{})
		if tt.want == 0 {
			if !errors.Is(err, client.ErrNotHybrid) || len(w.paths) != 1 { // not repeated
				t.Errorf("policy %q, required: %v after %v", tt.policy, err, w.paths)
			}
		} else {
			check.Must(t, err)
		}
		if got := app.ChannelVersion(); got != tt.want {
			t.Errorf("policy %q, required %v: version %d, want %d", tt.policy, tt.requires, got, tt.want)
		}
	}
}

// The client detects somebody on the way who takes version 2 away, and sends nothing more.
func TestTheClientRefusesADowngrade(t *testing.T) {
	t.Parallel()
	strip := func(fields map[string]any) {
		fields["version"] = 1
		delete(fields, "kem_key")
	}
	unchoose := func(fields map[string]any) { delete(fields, "kem_ciphertext") }
	for name, w := range map[string]*way{
		"the offer":  {hello: strip},
		"the choice": {welcome: unchoose},
		"both":       {hello: strip, welcome: unchoose},
	} {
		for _, policy := range []channel.Policy{channel.HybridOn, channel.HybridOff} {
			w.paths = nil
			config := newPolicyBank(t, policy, w)
			if policy == channel.HybridOff && w.hello == nil {
				continue // there is no choice to take away
			}
			app := client.New(config)
			if _, err := app.CaptchaIssue(t.Context()); !errors.Is(err, client.ErrBank) || app.ChannelVersion() != 0 {
				t.Errorf("without %s, policy %q: version %d, %v, want ErrBank", name, policy, app.ChannelVersion(), err)
			}
			if diff := cmp.Diff([]string{opening}, w.paths); diff != "" || w.status != http.StatusOK {
				t.Errorf("without %s: the bank answered %d, asked for (-want +got):\n%s", name, w.status, diff)
			}
		}
	}
	// A bank that requires version 2 does not even answer a stripped hello.
	w := &way{hello: strip}
	_, err := client.New(newPolicyBank(t, channel.HybridRequired, w)).CaptchaIssue(t.Context())
	if !errors.Is(err, &client.Problem{Code: "CHANNEL_REFUSED"}) {
		t.Errorf("a stripped hello at a bank that requires version 2: %v", err)
	}
}
