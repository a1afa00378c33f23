package open_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	identitylogout "github.com/tidebank/tidebank/functions/identity/logout"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// newPhone is a device. The tests here do not use its first channel.
func newPhone(t *testing.T) (*bank.Bank, *bank.Device) {
	t.Helper()
	b := bank.On(t, pgtest.Broken(t)) // the function needs no database
	return b, b.Device(t, "phone-of-wang")
}

// hello starts a handshake; change spoils it.
func hello(t *testing.T, device string, change func(map[string]any)) (*channel.Client, []byte) {
	t.Helper()
	client, err := channel.NewClient(device)
	check.Must(t, err)
	fields := bank.Fields(t, client.Hello())
	if change != nil {
		change(fields)
	}
	raw := check.JSON(t, fields)
	return client, raw
}

// reopen gives the device a channel by the function itself.
func reopen(t *testing.T, b *bank.Bank, d *bank.Device) channel.Welcome {
	t.Helper()
	client, raw := hello(t, d.ID, nil)
	var welcome channel.Welcome
	d.Send(t, channelopen.Function, raw).Into(t, &welcome)
	var err error
	d.Channel, d.Keys, err = client.Finish(welcome, b.Host.Keys.Public(keys.Channel))
	check.Must(t, err)
	d.Sequence.Store(0)
	return welcome
}

func TestAChannelOpensAndCarriesCalls(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	welcome := reopen(t, b, phone)
	phone.Call(t, captchaissue.Function, "", struct{}{}).Want(t, "")
	if welcome.ExpiresInS != 12*60*60 {
		t.Errorf("kept for %d s, want twelve hours", welcome.ExpiresInS)
	}
	password, err := b.Host.Keys.Public(keys.Password).Marshal()
	if err != nil || string(welcome.PasswordKey) != string(password) {
		t.Errorf("the password key is not the bank's: %v", err)
	}
	if string(welcome.Certificate) != string(b.Host.Keys.Certificate()) {
		t.Error("the certificate is not the bank's")
	}
}

// An app refuses a welcome that was changed on the way, or that another bank made.
func TestTheAppRefusesAForgedWelcome(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	pinned := b.Host.Keys.Public(keys.Channel)
	other, err := sm.GenerateKey()
	check.Must(t, err)
	public, err := other.Public().Marshal()
	check.Must(t, err)
	for name, change := range map[string]func(*channel.Welcome){
		"server key":   func(w *channel.Welcome) { w.ServerKey = public },
		"password key": func(w *channel.Welcome) { w.PasswordKey = public },
		"random":       func(w *channel.Welcome) { w.ServerRandom[0] ^= 1 },
		"id":           func(w *channel.Welcome) { w.ChannelID[0] ^= 1 },
		"certificate":  func(w *channel.Welcome) { w.Certificate = nil },
		"signature":    func(w *channel.Welcome) { w.Signature, _ = sm.Sign(other, []byte("x")) },
	} {
		client, raw := hello(t, phone.ID, nil)
		var welcome channel.Welcome
		phone.Send(t, channelopen.Function, raw).Into(t, &welcome)
		change(&welcome)
		if _, _, err := client.Finish(welcome, pinned); err == nil {
			t.Errorf("a welcome with another %s was taken", name)
		}
	}
}

func TestReopening(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	reopen(t, b, phone)
	check.Must(t, b.Host.Sessions.Start(t.Context(), phone.Channel, uuid.New()))
	old, oldKeys := phone.Channel, phone.Keys
	reopen(t, b, phone)
	if phone.Channel == old || phone.Keys == oldKeys {
		t.Fatal("two channels have one id or one key")
	}
	// A login stays where it was made.
	phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	// A channel's keys open no other's frames.
	phone.Keys, oldKeys = oldKeys, phone.Keys
	phone.Call(t, captchaissue.Function, "", struct{}{}).Want(t, "FRAME_REJECTED")
	phone.Keys = oldKeys
	phone.Call(t, captchaissue.Function, "", struct{}{}).Want(t, "")
}

// A hello that was heard can be sent again, and gives the thief nothing: the keys
// follow from the app's secret.
func TestARepeatedHelloGivesAnotherChannel(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	client, raw := hello(t, phone.ID, nil)
	var first, second channel.Welcome
	phone.Send(t, channelopen.Function, raw).Into(t, &first)
	phone.Send(t, channelopen.Function, raw).Into(t, &second)
	pinned := b.Host.Keys.Public(keys.Channel)
	id, one, err := client.Finish(first, pinned)
	check.Must(t, err)
	again, two, err := client.Finish(second, pinned)
	if err != nil || id == again || one == two {
		t.Errorf("the second hello gave channel %x after %x, %v", again, id, err)
	}
}

func TestMalformedHellos(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	nist, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check.Must(t, err)
	foreign, err := x509.MarshalPKIXPublicKey(&nist.PublicKey)
	check.Must(t, err)
	own := phone.PublicKey(t)
	off := append([]byte{}, own...)
	off[len(off)-1] ^= 1 // no point of the curve any more
	before := len(b.Redis.Keys())
	for _, tt := range []struct {
		name, field string
		value       any
		want        string
	}{
		{"version 0", "version", 0, "CHANNEL_REFUSED"},
		{"version 2", "version", 2, "CHANNEL_REFUSED"},
		{"version as text", "version", "1", "INPUT_INVALID"},
		{"no key", "client_key", nil, "INPUT_INVALID"},
		{"garbage for a key", "client_key", []byte("key"), "INPUT_INVALID"},
		{"a key of another curve", "client_key", foreign, "INPUT_INVALID"},
		{"a key off the curve", "client_key", off, "INPUT_INVALID"},
		{"a key with more after it", "client_key", append(own, 0), "INPUT_INVALID"},
		{"no random", "client_random", nil, "INPUT_INVALID"},
		{"random of 31", "client_random", make([]byte, 31), "CHANNEL_REFUSED"},
		{"random of 33", "client_random", make([]byte, 33), "CHANNEL_REFUSED"},
		{"no device", "device_id", "", "INPUT_INVALID"},
		{"device of 7", "device_id", "1234567", "INPUT_INVALID"},
		{"device of 8", "device_id", "12345678", ""},
		{"device of 64", "device_id", strings.Repeat("x", 64), ""},
		{"device of 65", "device_id", strings.Repeat("x", 65), "INPUT_INVALID"},
		{"every character", "device_id", "aZ09-_.x", ""},
		{"a line break", "device_id", "phone-of\nwang", "INPUT_INVALID"},
		{"a quote", "device_id", `phone-of"wang`, "INPUT_INVALID"},
		{"Chinese", "device_id", "王小明的手机", "INPUT_INVALID"},
		{"unknown field", "customer_id", "x", "INPUT_INVALID"},
	} {
		_, raw := hello(t, phone.ID, func(fields map[string]any) { fields[tt.field] = tt.value })
		got := phone.Send(t, channelopen.Function, raw)
		if got.Code != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got.Code, tt.want)
		}
		if tt.want == "INPUT_INVALID" && tt.field != "customer_id" && got.Problem.Field != tt.field {
			t.Errorf("%s: %q was named", tt.name, got.Problem.Field)
		}
	}
	for _, body := range []string{"", "{", "[]", `"x"`, "{}{}"} {
		if got := phone.Send(t, channelopen.Function, []byte(body)); got.Code != "INPUT_INVALID" {
			t.Errorf("%q: %q, want INPUT_INVALID", body, got.Code)
		}
	}
	if kept := len(b.Redis.Keys()) - before; kept != 3+1 { // three good ones and the counter of rate
		t.Errorf("%d more keys are kept, want 4", kept)
	}
}

func TestMethodAndRedisDown(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	_, raw := hello(t, phone.ID, nil)
	get := handler.Request{Body: raw, Method: http.MethodGet, Header: http.Header{}}
	get.WithContext(t.Context())
	if reply, err := b.Open(t, channelopen.Function).Handle(get); err != nil || reply.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET answered %d, %v", reply.StatusCode, err)
	}
	b.Redis.SetError("down")
	phone.Send(t, channelopen.Function, raw).Want(t, "SERVICE_UNAVAILABLE")
}
