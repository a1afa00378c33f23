package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/client"
	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	channelcaptcha "github.com/tidebank/tidebank/functions/channel/captcha"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

// newCrowdedBank is a bank that takes no hello without a solved graphic code. It tells
// the answer of the last code that it issued.
func newCrowdedBank(t *testing.T) (config client.Config, answer func() string) {
	t.Helper()
	b := bank.On(t, pgtest.Broken(t))
	b.Device(t, "phone-of-li") // the one hello of this minute
	var err error
	b.Host.Sessions, err = session.New(b.Host.Redis, b.Host.Keys, b.Clock, session.Config{
		ChannelLife: 12 * time.Hour, Idle: 10 * time.Minute, Hellos: 1,
	})
	check.Must(t, err)
	g, err := gateway.New(t.Context(), []fn.Function{
		channelopen.Function, channelcaptcha.Function, captchaissue.Function,
	}, b.Host, host.Values())
	check.Must(t, err)
	issued := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := httptest.NewRecorder()
		g.Mux.ServeHTTP(seen, r)
		if r.URL.Path == "/function/channel-captcha" {
			var code channelcaptcha.Response
			check.Must(t, json.Unmarshal(seen.Body.Bytes(), &code))
			issued = code.CaptchaID
		}
		for name, values := range seen.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(seen.Code)
		_, _ = w.Write(seen.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	config = client.Config{
		BaseURL: server.URL, DeviceID: "phone-of-wang", Device: keytest.PrivateKey(t), Pinned: b.Host.Keys.Public(keys.Channel),
		Now: b.Clock.Now, HTTP: server.Client(), Pause: time.Millisecond,
	}
	return config, func() string {
		text, _, err := captcha.OpenForHello(b.Host.Keys, issued)
		check.Must(t, err)
		return text
	}
}

// Without a way to ask the customer, the client returns the bank's refusal.
func TestACrowdedBankAsksForAGraphicCode(t *testing.T) {
	t.Parallel()
	config, _ := newCrowdedBank(t)
	_, err := client.New(config).CaptchaIssue(t.Context())
	if !errors.Is(err, &client.Problem{Code: "CAPTCHA_REQUIRED"}) {
		t.Errorf("%v, want CAPTCHA_REQUIRED", err)
	}
}

// The client shows the customer a code, another after a wrong answer, and opens the
// channel.
func TestTheCustomerSolvesTheGraphicCode(t *testing.T) {
	t.Parallel()
	config, answer := newCrowdedBank(t)
	var shown []string
	config.Captcha = func(_ context.Context, image []byte) (string, error) {
		if http.DetectContentType(image) != "image/png" {
			t.Errorf("the customer is shown %s", http.DetectContentType(image))
		}
		shown = append(shown, answer())
		if len(shown) == 1 {
			return "no idea", nil
		}
		return answer(), nil
	}
	app := client.New(config)
	for range 2 { // the second call needs no code
		_, err := app.CaptchaIssue(t.Context())
		check.Must(t, err)
	}
	if len(shown) != 2 || shown[0] == shown[1] {
		t.Errorf("the customer was shown %v", shown)
	}
}

// The client gives up after a few wrong answers, and when the customer does.
func TestTheCustomerGivesUp(t *testing.T) {
	t.Parallel()
	config, _ := newCrowdedBank(t)
	asked := 0
	config.Captcha = func(context.Context, []byte) (string, error) { asked++; return "000000", nil }
	_, err := client.New(config).CaptchaIssue(t.Context())
	if !errors.Is(err, &client.Problem{Code: "CAPTCHA_REJECTED"}) {
		t.Errorf("%v, want CAPTCHA_REJECTED", err)
	}
	if diff := cmp.Diff(3, asked); diff != "" {
		t.Errorf("codes shown (-want +got):\n%s", diff)
	}
	config.Captcha = func(context.Context, []byte) (string, error) { return "", context.Canceled }
	if _, err := client.New(config).CaptchaIssue(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the customer's own error", err)
	}
}
