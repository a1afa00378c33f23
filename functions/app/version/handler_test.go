package version_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	appversion "github.com/tidebank/tidebank/functions/app/version"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

const (
	storeIOS = "https://download.tidebank.example/ios"
	least    = "3.2.0"
)

// figures are what the bank of a test tells of the app.
var figures = channel.VersionsConfig{
	Minimum: "ios=" + least, Latest: "ios=3.10.1,android=4.0.0", Download: "ios=" + storeIOS,
}

// know makes the bank know the versions.
func know(t *testing.T, b *bank.Bank, versions channel.VersionsConfig) {
	t.Helper()
	var err error
	b.Host.Sessions, err = session.New(b.Host.Redis, b.Host.Keys, b.Clock, session.Config{
		ChannelLife: 12 * time.Hour, Idle: 10 * time.Minute, App: versions,
	})
	check.Must(t, err)
}

var nonce = bytes.Repeat([]byte{7}, channel.NonceSize)

// manifest asks for a manifest as an app without a channel does.
func manifest(t *testing.T, b *bank.Bank, request map[string]any) (m channel.Manifest) {
	t.Helper()
	b.Device(t, "phone-of-wang").Send(t, appversion.Function, check.JSON(t, request)).Into(t, &m)
	return m
}

// The manifest holds the figures of the platform, and the bank's key signs it for the
// nonce. The database is not asked.
func TestTheManifestIsSigned(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLIENT-018.1")
	b := bank.On(t, pgtest.Broken(t))
	know(t, b, figures)
	public := b.Host.Keys.Public(keys.Channel)
	for platform, want := range map[string]channel.Manifest{
		"ios":     {Platform: "ios", Latest: "3.10.1", Minimum: least, DownloadURL: storeIOS},
		"android": {Platform: "android", Latest: "4.0.0"},
		"h5":      {Platform: "h5"},
	} {
		got := manifest(t, b, map[string]any{"platform": platform, "nonce": nonce})
		if !got.IssuedAt.Equal(b.Clock.Now()) || !got.Signed(nonce, keytest.PrivateKey(t).Public(), public) {
			t.Errorf("%s: issued at %v, or not signed", platform, got.IssuedAt)
		}
		got.IssuedAt, got.Signature = time.Time{}, nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", platform, got)
		}
	}
	pin, err := channel.Pin(public)
	check.Must(t, err)
	other, err := channel.Pin(keytest.PrivateKey(t).Public())
	check.Must(t, err)
	for _, pins := range [][][]byte{{pin}, {other, pin}, {other}} {
		if got := manifest(t, b, map[string]any{"platform": "ios", "nonce": nonce, "pins": pins}); !got.Signed(nonce, public) {
			t.Errorf("with %d pins: not signed by the current key", len(pins))
		}
	}
}

// A manifest with any other value does not verify: of another field, for another nonce, or
// by another key.
func TestAnAlteredManifestFails(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLIENT-018.2")
	b := bank.On(t, pgtest.Broken(t))
	know(t, b, figures)
	public := b.Host.Keys.Public(keys.Channel)
	good := manifest(t, b, map[string]any{"platform": "ios", "nonce": nonce})
	for name, change := range map[string]func(*channel.Manifest){
		"platform":      func(m *channel.Manifest) { m.Platform = "android" },
		"latest":        func(m *channel.Manifest) { m.Latest = "3.2.0" },
		"no latest":     func(m *channel.Manifest) { m.Latest = "" },
		"minimum":       func(m *channel.Manifest) { m.Minimum = "3.1.0" },
		"address":       func(m *channel.Manifest) { m.DownloadURL = "https://download.tidebank.example.evil.example/ios" },
		"time":          func(m *channel.Manifest) { m.IssuedAt = m.IssuedAt.Add(time.Second) },
		"signature":     func(m *channel.Manifest) { m.Signature = check.Flip(m.Signature, 9) },
		"no signature":  func(m *channel.Manifest) { m.Signature = nil },
		"moved letters": func(m *channel.Manifest) { m.Latest, m.Minimum = m.Latest+m.Minimum, "" },
	} {
		m := good
		if change(&m); m.Signed(nonce, public) {
			t.Errorf("another %s verifies", name)
		}
	}
	if !good.Signed(nonce, public) || good.Signed(check.Flip(nonce, 0), public) || good.Signed(nonce, keytest.PrivateKey(t).Public()) ||
		good.Signed(nonce) {
		t.Error("the manifest verifies for another nonce or key, or not for its own")
	}
}

// Below the minimum, a login is refused before anything is counted, and the notice holds
// the address of the new version. At the minimum it is good. The channel may be older than
// the minimum.
func TestALoginBelowTheMinimumIsRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLIENT-018.3")
	p := bank.NewPair(t, 0)
	know(t, p.Bank, figures)
	p.Phone.Reopen(t)
	code := otptest.Ask(t, p.Bank, p.Phone, otp.Login, p.Payer.Phone)
	entry := p.Phone.LogIn(t, p.Payer, code)
	as := func(platform, number string) bank.Reply {
		t.Helper()
		entry.App = &channel.App{Platform: platform, Version: number}
		return p.Phone.Call(t, identitylogin.Function, "", entry)
	}
	for _, number := range []string{"3.1.99", "0.0.0", "2.99.0"} {
		got := as("ios", number)
		got.Want(t, "APP_OUTDATED")
		if got.Status != http.StatusForbidden || got.Problem.DownloadURL != storeIOS || !strings.Contains(got.Problem.Detail, storeIOS) ||
			!strings.Contains(got.Problem.Detail, "升级") {
			t.Errorf("%s: %d %s", number, got.Status, got.Body)
		}
	}
	if n := p.Count(t, "SELECT count(*) FROM login_attempt") + p.Count(t, "SELECT count(*) FROM login_origin"); n != 0 {
		t.Errorf("%d attempts are counted", n)
	}
	as("ios", "3").Want(t, "INPUT_INVALID")
	as("ios", least).Want(t, "")

	client, err := channel.NewClient("phone-of-wang")
	check.Must(t, err)
	client.SetApp(channel.App{Platform: "ios", Version: "3.1.99"})
	got := p.Phone.Send(t, channelopen.Function, check.JSON(t, client.Hello()))
	if got.Want(t, "APP_OUTDATED"); got.Problem.DownloadURL != storeIOS {
		t.Errorf("a hello is told %s", got.Body)
	}
	// Without an address of the platform, the notice names the store.
	know(t, p.Bank, channel.VersionsConfig{Minimum: "ios=" + least})
	p.Forget(channelopen.Function)
	got = p.Phone.Send(t, channelopen.Function, check.JSON(t, client.Hello()))
	if got.Want(t, "APP_OUTDATED"); got.Problem.DownloadURL != "" || strings.Contains(string(got.Body), "download_url") {
		t.Errorf("without an address: %s", got.Body)
	}
}

// Odd requests are refused.
func TestRefusals(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	d := b.Device(t, "phone-of-wang")
	pins := []string{base64.StdEncoding.EncodeToString(nonce[1:])}
	for name, request := range map[string]map[string]any{
		"no platform": {"nonce": nonce}, "another platform": {"platform": "windows", "nonce": nonce},
		"no nonce": {"platform": "ios"}, "a short nonce": {"platform": "ios", "nonce": nonce[1:]},
		"a short pin": {"platform": "ios", "nonce": nonce, "pins": pins}, "another field": {"platform": "ios", "nonce": nonce, "x": 1},
	} {
		if got := d.Send(t, appversion.Function, check.JSON(t, request)); got.Code != "INPUT_INVALID" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
}
