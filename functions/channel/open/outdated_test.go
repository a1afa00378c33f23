package open_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// newStrictBank is a bank with a minimum version of the app.
func newStrictBank(t *testing.T, minimum string) (*bank.Bank, *bank.Device) {
	t.Helper()
	b := bank.On(t, pgtest.Broken(t))
	var err error
	b.Host.Sessions, err = session.New(b.Host.Redis, b.Host.Keys, b.Clock, session.Config{
		ChannelLife: 12 * time.Hour, Idle: 10 * time.Minute, App: channel.VersionsConfig{Minimum: minimum},
	})
	check.Must(t, err)
	return b, b.Device(t, "phone-of-wang")
}

// as opens a channel as an app.
func as(t *testing.T, d *bank.Device, app any) bank.Reply {
	t.Helper()
	_, raw := hello(t, d.ID, func(fields map[string]any) { fields["app"] = app })
	return d.Send(t, channelopen.Function, raw)
}

// An app below the minimum of its platform is told to update, and leaves nothing. Other
// apps, and those that do not name themselves, open channels.
func TestAnOldAppIsToldToUpdate(t *testing.T) {
	t.Parallel()
	b, phone := newStrictBank(t, "ios=3.2.0")
	before := len(kept(b))
	old := as(t, phone, channel.App{Platform: "ios", Version: "3.1.99"})
	old.Want(t, "APP_OUTDATED")
	if old.Status != http.StatusForbidden || !strings.Contains(old.Problem.Title+old.Problem.Detail, "升级") {
		t.Errorf("%d %s", old.Status, old.Body)
	}
	if n := len(kept(b)); n != before {
		t.Errorf("%d keys are left by the old app", n-before)
	}
	for _, app := range []channel.App{
		{Platform: "ios", Version: "3.2.0"}, {Platform: "ios", Version: "10.0.0"}, {Platform: "android", Version: "0.0.1"},
	} {
		as(t, phone, app).Want(t, "")
	}
	reopen(t, b, phone)
	for name, app := range map[string]any{
		"another platform": channel.App{Platform: "windows", Version: "3.2.0"}, "no version": map[string]string{"platform": "ios"},
		"a word": channel.App{Platform: "ios", Version: "newest"}, "two numbers": channel.App{Platform: "ios", Version: "3.2.0.0"},
	} {
		got := as(t, phone, app)
		if got.Want(t, "INPUT_INVALID"); !strings.HasPrefix(got.Problem.Field, "app.") {
			t.Errorf("%s: %q was named", name, got.Problem.Field)
		}
	}
}

// The app that a hello names can't be changed on the way. The welcome tells the API's
// version.
func TestTheWelcomeKnowsTheApp(t *testing.T) {
	t.Parallel()
	b, phone := newStrictBank(t, "")
	client, err := channel.NewClient(phone.ID)
	check.Must(t, err)
	client.SetApp(channel.App{Platform: "ios", Version: "3.2.0"})
	sent := client.Hello()
	var welcome channel.Welcome
	phone.Send(t, channelopen.Function, check.JSON(t, sent)).Into(t, &welcome)
	if _, _, err := client.Finish(welcome, b.Host.Keys.Public(keys.Channel)); err != nil || welcome.APIVersion != fn.APIVersion {
		t.Errorf("%v; version %q", err, welcome.APIVersion)
	}
	sent.App = &channel.App{Platform: "ios", Version: "3.1.0"}
	phone.Send(t, channelopen.Function, check.JSON(t, sent)).Into(t, &welcome)
	if _, _, err := client.Finish(welcome, b.Host.Keys.Public(keys.Channel)); !errors.Is(err, channel.ErrHandshake) {
		t.Errorf("another version was signed: %v", err)
	}
}

func TestAWrongMinimumDoesNotStart(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	_, err := session.New(b.Host.Redis, b.Host.Keys, b.Clock, session.Config{
		Idle: time.Minute, App: channel.VersionsConfig{Minimum: "ios=3"},
	})
	if err == nil || !strings.Contains(err.Error(), "APP_MINIMUM") {
		t.Errorf("%v", err)
	}
}
