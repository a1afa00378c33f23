package channel_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

func marshal(t testing.TB, k *sm.PublicKey) []byte {
	t.Helper()
	der, err := k.Marshal()
	check.Must(t, err)
	return der
}

// bank is the bank's side, and the key that signs for it.
type bank struct {
	channel.Server
	key *sm.PrivateKey
}

func newServer(t testing.TB) bank {
	t.Helper()
	return bank{Server: channel.Server{
		Certificate: []byte("certificate"), PasswordKey: marshal(t, keytest.PrivateKey(t).Public()), Life: time.Hour,
	}}.with(keytest.PrivateKey(t))
}

// with returns the same side, signing with another key.
func (b bank) with(key *sm.PrivateKey) bank {
	b.key, b.Sign = key, func(message []byte) ([]byte, error) { return sm.Sign(key, message) }
	return b
}

func newClient(t testing.TB) *channel.Client {
	t.Helper()
	c, err := channel.NewClient("device-1")
	check.Must(t, err)
	return c
}

func TestBothSidesHaveTheChannel(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-016.1")
	server, client := newServer(t), newClient(t)
	welcome, serverID, serverKeys, err := server.Respond(client.Hello())
	check.Must(t, err)
	id, keys, err := client.Finish(welcome, server.key.Public())
	check.Must(t, err)
	if id != serverID || keys != serverKeys {
		t.Errorf("client has %x %x, server %x %x", id, keys, serverID, serverKeys)
	}
	if keys.ClientToServer == keys.ServerToClient {
		t.Error("both directions have the same key")
	}
	if welcome.ExpiresInS != 3600 || !bytes.Equal(welcome.PasswordKey, server.PasswordKey) {
		t.Errorf("welcome: %+v", welcome)
	}
}

func TestEveryHandshakeIsFresh(t *testing.T) {
	t.Parallel()
	server, seen := newServer(t), map[string]bool{}
	same := newClient(t) // its hello is replayed all the time
	for range 20 {
		welcome, id, keys, err := server.Respond(same.Hello())
		check.Must(t, err)
		hello := newClient(t).Hello()
		for _, fresh := range [][]byte{
			id[:], keys.ClientToServer[:], keys.ServerToClient[:], welcome.ServerKey, welcome.ServerRandom,
			hello.ClientKey, hello.ClientRandom,
		} {
			seen[string(fresh)] = true
		}
	}
	if len(seen) != 20*7 {
		t.Errorf("of %d values that must be fresh %d are", 20*7, len(seen))
	}
}

func TestHelloIsRefused(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	good := newClient(t).Hello()
	for name, spoil := range map[string]func(*channel.Hello){
		"version 0":       func(h *channel.Hello) { h.Version = 0 },
		"version 2":       func(h *channel.Hello) { h.Version = 2 },
		"no random":       func(h *channel.Hello) { h.ClientRandom = nil },
		"random short":    func(h *channel.Hello) { h.ClientRandom = h.ClientRandom[1:] },
		"random long":     func(h *channel.Hello) { h.ClientRandom = append(bytes.Clone(h.ClientRandom), 0) },
		"no key":          func(h *channel.Hello) { h.ClientKey = nil },
		"key cut":         func(h *channel.Hello) { h.ClientKey = h.ClientKey[:90] },
		"key off curve":   func(h *channel.Hello) { h.ClientKey = check.Flip(h.ClientKey, 90) },
		"key elsewhere":   func(h *channel.Hello) { h.ClientKey = check.Flip(h.ClientKey, 20) },
		"pin short":       func(h *channel.Hello) { h.Pins = [][]byte{make([]byte, channel.PinSize-1)} },
		"key with a tail": func(h *channel.Hello) { h.ClientKey = append(bytes.Clone(h.ClientKey), 0) },
	} {
		hello := good
		spoil(&hello)
		welcome, id, keys, err := server.Respond(hello)
		if !errors.Is(err, channel.ErrHandshake) || welcome.Signature != nil || id != (channel.ID{}) || keys != (channel.Keys{}) {
			t.Errorf("%s: %+v %x, %v; want nothing and ErrHandshake", name, welcome, id, err)
		}
	}
}

func refused(t *testing.T, what string, c *channel.Client, w channel.Welcome, pinned *sm.PublicKey) {
	t.Helper()
	if id, keys, err := c.Finish(w, pinned); !errors.Is(err, channel.ErrHandshake) || id != (channel.ID{}) || keys != (channel.Keys{}) {
		t.Errorf("%s: %x, %v; want nothing and ErrHandshake", what, id, err)
	}
}

// The client detects each change of its Hello on the way to the bank.
func TestHelloChangedOnItsWay(t *testing.T) {
	t.Parallel()
	server, client := newServer(t), newClient(t)
	for name, change := range map[string]func(*channel.Hello){
		"key":       func(h *channel.Hello) { h.ClientKey = marshal(t, keytest.PrivateKey(t).Public()) },
		"random":    func(h *channel.Hello) { h.ClientRandom = check.Flip(h.ClientRandom, 31) },
		"device id": func(h *channel.Hello) { h.DeviceID = "device-2" },
		"app":       func(h *channel.Hello) { h.App = &channel.App{Platform: "ios", Version: "3.2.0"} },
		"pins":      func(h *channel.Hello) { h.Pins = [][]byte{make([]byte, channel.PinSize)} },
	} {
		hello := client.Hello()
		change(&hello)
		welcome, _, _, err := server.Respond(hello)
		check.Must(t, err)
		refused(t, name, client, welcome, server.key.Public())
	}
}

func TestWelcomeChangedOnItsWay(t *testing.T) {
	t.Parallel()
	server, client := newServer(t), newClient(t)
	good, _, _, err := server.Respond(client.Hello())
	check.Must(t, err)
	for name, field := range map[string]func(*channel.Welcome) *[]byte{
		"channel id":    func(w *channel.Welcome) *[]byte { return &w.ChannelID },
		"server key":    func(w *channel.Welcome) *[]byte { return &w.ServerKey },
		"server random": func(w *channel.Welcome) *[]byte { return &w.ServerRandom },
		"certificate":   func(w *channel.Welcome) *[]byte { return &w.Certificate },
		"password key":  func(w *channel.Welcome) *[]byte { return &w.PasswordKey },
		"signature":     func(w *channel.Welcome) *[]byte { return &w.Signature },
	} {
		try := func(what string, change func(text []byte) []byte) {
			welcome := good
			*field(&welcome) = change(*field(&welcome))
			refused(t, name+" "+what, client, welcome, server.key.Public())
		}
		for i := range *field(&good) {
			try(fmt.Sprintf("byte %d", i), func(text []byte) []byte { return check.Flip(text, i) })
		}
		try("missing", func([]byte) []byte { return nil })
		try("cut", func(text []byte) []byte { return text[:len(text)-1] })
		try("longer", func(text []byte) []byte { return append(bytes.Clone(text), 0) })
	}
	if _, _, err := client.Finish(good, server.key.Public()); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// Bytes can't move from one field of the transcript to the next.
func TestFieldsOfTheTranscriptStayApart(t *testing.T) {
	t.Parallel()
	server, client := newServer(t), newClient(t)
	good, _, _, err := server.Respond(client.Hello())
	check.Must(t, err)
	moved := good
	moved.Certificate = append(bytes.Clone(good.Certificate), good.PasswordKey[0])
	moved.PasswordKey = good.PasswordKey[1:]
	refused(t, "a byte moved", client, moved, server.key.Public())
}

// The client also refuses a welcome of a wrong form that the bank's own key signed.
func TestMalformedWelcomeOfTheBank(t *testing.T) {
	t.Parallel()
	server, client := newServer(t), newClient(t)
	good, _, _, err := server.Respond(client.Hello())
	check.Must(t, err)
	for name, spoil := range map[string]func(*channel.Welcome){
		"channel id short": func(w *channel.Welcome) { w.ChannelID = w.ChannelID[1:] },
		"channel id long":  func(w *channel.Welcome) { w.ChannelID = append(bytes.Clone(w.ChannelID), 0) },
		"random short":     func(w *channel.Welcome) { w.ServerRandom = w.ServerRandom[1:] },
		"random long":      func(w *channel.Welcome) { w.ServerRandom = append(bytes.Clone(w.ServerRandom), 0) },
		"key off curve":    func(w *channel.Welcome) { w.ServerKey = check.Flip(w.ServerKey, 90) },
		"no key":           func(w *channel.Welcome) { w.ServerKey = nil },
	} {
		welcome := good
		spoil(&welcome)
		welcome.Signature, err = sm.Sign(server.key, channel.Transcript(client.Hello(), welcome))
		check.Must(t, err)
		refused(t, name, client, welcome, server.key.Public())
	}
}

func TestAnotherBank(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-016.2")
	server, client := newServer(t), newClient(t)
	impostor := server.with(keytest.PrivateKey(t)) // knows all that is public
	welcome, _, _, err := impostor.Respond(client.Hello())
	check.Must(t, err)
	refused(t, "signed by another", client, welcome, server.key.Public())
	welcome, _, _, err = server.Respond(client.Hello())
	check.Must(t, err)
	refused(t, "another is pinned", client, welcome, impostor.key.Public())
}

func TestWelcomeForAnotherHello(t *testing.T) {
	t.Parallel()
	server, one, two := newServer(t), newClient(t), newClient(t)
	welcome, _, _, err := server.Respond(one.Hello())
	check.Must(t, err)
	refused(t, "replayed", two, welcome, server.key.Public())
	mixed := two.Hello()
	mixed.ClientRandom = one.Hello().ClientRandom
	refused(t, "same random, another key", channel.ClientWith(mixed, keytest.PrivateKey(t)), welcome, server.key.Public())
}
