package client_test

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/tidebank/tidebank/client"
	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	channelcertificates "github.com/tidebank/tidebank/functions/channel/certificates"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

// A client that has learnt the next pin knows the bank after the change of its key. A
// client that has not is told to update.
func TestTheClientLearnsTheNextPin(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	file := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(file))
	serve := func() string {
		var err error
		b.Host.Keys, err = keys.Open(t.Context(), keys.Config{File: file}, keys.All()...)
		check.Must(t, err)
		g, err := gateway.New(t.Context(), []fn.Function{
			channelopen.Function, channelcertificates.Function, captchaissue.Function,
		}, b.Host, host.Values())
		check.Must(t, err)
		server := httptest.NewServer(g.Mux)
		t.Cleanup(server.Close)
		return server.URL
	}
	check.Must(t, keys.AddChannelKey(file))
	config := client.Config{BaseURL: serve(), DeviceID: "phone-of-wang", Device: keytest.PrivateKey(t), Now: b.Clock.Now, Tries: 1}
	old := b.Host.Keys.Public(keys.Channel)
	call := func(pinned *sm.PublicKey, next ...*sm.PublicKey) error {
		config.Pinned, config.NextPins = pinned, next
		_, err := client.New(config).CaptchaIssue(t.Context())
		return err
	}
	config.Pinned = old
	learnt, err := client.New(config).LearnPins(t.Context())
	check.Must(t, err)
	if len(learnt) != 2 || !learnt[0].Equal(old) {
		t.Fatalf("learnt %d pins", len(learnt))
	}
	check.Must(t, keys.PromoteChannelKey(file))
	config.BaseURL = serve()
	check.Must(t, call(old))
	pin, err := channel.Pin(old)
	check.Must(t, err)
	check.Must(t, keys.RetireChannelKey(file, pin))
	config.BaseURL = serve()
	check.Must(t, call(old, learnt...))
	if err := call(old); !errors.Is(err, &client.Problem{Code: "CHANNEL_REFUSED"}) {
		t.Errorf("the old pin only: %v, want CHANNEL_REFUSED", err)
	}
}
