package open_test

import (
	"strings"
	"testing"

	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

const (
	chrome  = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.7444.59 Mobile Safari/537.36"
	firefox = "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0"
)

// browser is a browser with a key in its store.
type browser struct {
	key       *sm.PrivateKey
	userAgent string
}

func (b browser) terminal(t *testing.T) device.Terminal {
	t.Helper()
	public, err := b.key.Public().Marshal()
	check.Must(t, err)
	return device.Terminal{PublicKey: public, UserAgent: b.userAgent}
}

// open opens a channel with a device id, by the terminal that change spoils.
func (b browser) open(t *testing.T, d *bank.Device, id string, change func(channel.Hello, *device.Terminal)) bank.Reply {
	t.Helper()
	client, err := channel.NewClient(id)
	check.Must(t, err)
	terminal := b.terminal(t)
	terminal.Signature, err = sm.Sign(b.key, terminal.Text(client.Hello()))
	check.Must(t, err)
	if change != nil {
		change(client.Hello(), &terminal)
	}
	return d.Send(t, channelopen.Function, check.JSON(t, channelopen.Request{Hello: client.Hello(), Terminal: &terminal}))
}

// The same browser has the same device id after a restart and an update; its key makes it differ from every
// other browser, also of the same model and version.
func TestABrowserKeepsItsDeviceID(t *testing.T) {
	t.Parallel()
	_, phone := newPhone(t)
	b := browser{keytest.PrivateKey(t), chrome}
	id := b.terminal(t).ID()
	updated := browser{b.key, strings.Replace(chrome, "142.0.7444.59", "142.0.7444.171", 1)}
	major := browser{b.key, strings.NewReplacer("142.0.7444.59", "143.0.1.2", "Android 15", "Android 16").Replace(chrome)}
	for name, same := range map[string]browser{
		"after a restart": {b.key, chrome}, "after an update": updated, "after a large update": major,
	} {
		if got := same.terminal(t).ID(); got != id {
			t.Errorf("%s: %s, before %s", name, got, id)
		}
		same.open(t, phone, id, nil).Want(t, "") // and the bank takes it as the same
	}
	req.Covers(t, "DEVICE-002.1")

	seen := map[string]bool{id: true}
	for range 8 {
		other := browser{keytest.PrivateKey(t), chrome}
		twin := other.terminal(t).ID()
		if seen[twin] {
			t.Fatalf("two browsers have the id %s", twin)
		}
		seen[twin] = true
		other.open(t, phone, twin, nil).Want(t, "")
	}
	if elsewhere := (browser{b.key, firefox}).terminal(t).ID(); seen[elsewhere] {
		t.Error("a key that another browser uses has the same id")
	}
	req.Covers(t, "DEVICE-002.2")
}

// Nobody opens a channel with the device id of a browser whose key they lack.
func TestAForgedDeviceIDIsRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-002.3")
	_, phone := newPhone(t)
	victim, thief := browser{keytest.PrivateKey(t), chrome}, browser{keytest.PrivateKey(t), chrome}
	id := victim.terminal(t).ID()
	victim.open(t, phone, id, nil).Want(t, "")
	_, bare := hello(t, id, nil)
	phone.Send(t, channelopen.Function, bare).Want(t, "CHANNEL_REFUSED")
	earlier := victim.terminal(t)
	used, err := channel.NewClient(id)
	check.Must(t, err)
	earlier.Signature, err = sm.Sign(victim.key, earlier.Text(used.Hello()))
	check.Must(t, err)
	for name, change := range map[string]func(channel.Hello, *device.Terminal){
		"the thief's key":           nil,
		"the victim's public key":   func(_ channel.Hello, x *device.Terminal) { x.PublicKey = earlier.PublicKey },
		"a signature that was seen": func(_ channel.Hello, x *device.Terminal) { *x = earlier },
		"the victim's, by the thief": func(h channel.Hello, x *device.Terminal) {
			x.PublicKey = earlier.PublicKey
			x.Signature = signed(t, thief, *x, h)
		},
		"another browser's user agent": func(h channel.Hello, x *device.Terminal) {
			x.UserAgent = firefox
			x.Signature = signed(t, thief, *x, h)
		},
	} {
		if got := thief.open(t, phone, id, change); got.Code != "CHANNEL_REFUSED" {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	thief.open(t, phone, "phone-of-wang", nil).Want(t, "CHANNEL_REFUSED") // a terminal has no other id than its own
	moved := browser{victim.key, firefox}
	moved.open(t, phone, id, nil).Want(t, "CHANNEL_REFUSED") // the key was carried to another browser
	victim.open(t, phone, id, nil).Want(t, "")
}

func signed(t *testing.T, by browser, terminal device.Terminal, h channel.Hello) []byte {
	t.Helper()
	signature, err := sm.Sign(by.key, terminal.Text(h))
	check.Must(t, err)
	return signature
}
