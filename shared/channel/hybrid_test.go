package channel_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cloudflare/circl/kem/mlkem/mlkem768"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

func newHybridClient(t testing.TB) *channel.Client {
	t.Helper()
	c := newClient(t)
	check.Must(t, c.OfferHybrid())
	return c
}

// under returns the same side with another policy.
func (b bank) under(p channel.Policy) bank {
	b.Hybrid = p
	return b
}

// The bank chooses by its policy, and both sides have the channel of its choice.
func TestTheBankChoosesTheVersion(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-016.1")
	server := newServer(t)
	for _, tt := range []struct {
		policy        channel.Policy
		offers        bool
		hybrid, taken bool
	}{
		{"", true, true, true},
		{"", false, false, true},
		{channel.HybridOn, true, true, true},
		{channel.HybridOn, false, false, true},
		{channel.HybridRequired, true, true, true},
		{channel.HybridRequired, false, false, false},
		{channel.HybridOff, true, false, true},
		{channel.HybridOff, false, false, true},
	} {
		client := newClient(t)
		if tt.offers {
			client = newHybridClient(t)
		}
		name := fmt.Sprintf("policy %q, offered %v", tt.policy, tt.offers)
		w, serverID, serverKeys, err := server.under(tt.policy).Respond(client.Hello())
		if !tt.taken {
			if !errors.Is(err, channel.ErrHandshake) || w.Signature != nil || serverKeys != (channel.Keys{}) {
				t.Errorf("%s: %+v, %v; want ErrHandshake", name, w, err)
			}
			continue
		}
		check.Must(t, err)
		id, keys, err := client.Finish(w, server.key.Public())
		if err != nil || id != serverID || keys != serverKeys || keys.ClientToServer == keys.ServerToClient {
			t.Errorf("%s: client has %x %x, server %x %x, %v", name, id, keys, serverID, serverKeys, err)
		}
		if w.Hybrid() != tt.hybrid || tt.hybrid && len(w.KEMCiphertext) != sm.KEMCiphertextSize {
			t.Errorf("%s: a ciphertext of %d bytes", name, len(w.KEMCiphertext))
		}
	}
}

// Each offer and each choice is fresh, also for a hello that is replayed.
func TestEveryOfferAndChoiceIsFresh(t *testing.T) {
	t.Parallel()
	server, seen := newServer(t), map[string]bool{}
	same := newHybridClient(t).Hello()
	for range 20 {
		w, _, keys, err := server.Respond(same)
		check.Must(t, err)
		for _, fresh := range [][]byte{newHybridClient(t).Hello().KEMKey, w.KEMCiphertext, keys.ClientToServer[:], keys.ServerToClient[:]} {
			seen[string(fresh)] = true
		}
	}
	if len(seen) != 20*4 {
		t.Errorf("of %d values that must be fresh %d are", 20*4, len(seen))
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]channel.Policy{
		"": channel.HybridOn, "on": channel.HybridOn, "required": channel.HybridRequired, "off": channel.HybridOff,
	} {
		if got, err := channel.ParsePolicy(text); err != nil || got != want {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"ON", " on", "true", "2", "none"} {
		if got, err := channel.ParsePolicy(text); err == nil || got != "" {
			t.Errorf("%q was taken as %q", text, got)
		}
	}
}

// A hello whose version and offer don't fit, or whose key is malformed, is refused.
func TestHelloWithABadOfferIsRefused(t *testing.T) {
	t.Parallel()
	server, good := newServer(t), newHybridClient(t).Hello()
	for name, spoil := range map[string]func(*channel.Hello){
		"version 1":       func(h *channel.Hello) { h.Version = 1 },
		"version 3":       func(h *channel.Hello) { h.Version = 3 },
		"no key":          func(h *channel.Hello) { h.KEMKey = nil },
		"key cut":         func(h *channel.Hello) { h.KEMKey = h.KEMKey[1:] },
		"key with a tail": func(h *channel.Hello) { h.KEMKey = append(bytes.Clone(h.KEMKey), 0) },
		"key not reduced": func(h *channel.Hello) { h.KEMKey = slices.Concat([]byte{0xff, 0xff, 0xff}, h.KEMKey[3:]) },
		"no SM2 key":      func(h *channel.Hello) { h.ClientKey = nil },
	} {
		hello := good
		spoil(&hello)
		w, id, keys, err := server.Respond(hello)
		if !errors.Is(err, channel.ErrHandshake) || w.Signature != nil || id != (channel.ID{}) || keys != (channel.Keys{}) {
			t.Errorf("%s: %+v %x, %v; want nothing and ErrHandshake", name, w, id, err)
		}
	}
}

// Somebody on the way who takes the offer away, changes it, or takes the bank's choice away
// gets no channel: the bank has signed what it saw and chose. This holds under each policy.
func TestNobodyOnTheWayLowersTheVersion(t *testing.T) {
	t.Parallel()
	server, client := newServer(t), newHybridClient(t)
	own := newHybridClient(t).Hello() // of the attacker
	strip := func(h *channel.Hello) { h.Version, h.KEMKey = 1, nil }
	for name, change := range map[string]func(*channel.Hello){
		"offer taken away":          strip,
		"an offer of their own":     func(h *channel.Hello) { h.KEMKey = own.KEMKey },
		"the whole hello their own": func(h *channel.Hello) { h.KEMKey, h.ClientKey = own.KEMKey, own.ClientKey },
	} {
		for _, policy := range []channel.Policy{channel.HybridOn, channel.HybridOff} {
			hello := client.Hello()
			change(&hello)
			w, _, _, err := server.under(policy).Respond(hello)
			check.Must(t, err)
			refused(t, name, client, w, server.key.Public())
			w.KEMCiphertext = nil
			refused(t, name+", and the choice", client, w, server.key.Public())
			if w.KEMCiphertext, _, err = sm.Encapsulate(client.Hello().KEMKey); err != nil {
				t.Fatal(err)
			}
			refused(t, name+", with a choice of their own", client, w, server.key.Public())
		}
	}
	w, _, _, err := server.Respond(client.Hello())
	check.Must(t, err)
	stripped := w
	stripped.KEMCiphertext = nil
	refused(t, "choice taken away", client, stripped, server.key.Public())
	declined, _, _, err := server.under(channel.HybridOff).Respond(client.Hello())
	check.Must(t, err)
	declined.KEMCiphertext = w.KEMCiphertext
	refused(t, "a choice added", client, declined, server.key.Public())

	// The other way round: an app of version 1 does not take a channel of version 2.
	old := newClient(t)
	hello := old.Hello()
	hello.Version, hello.KEMKey = channel.HybridVersion, own.KEMKey
	w, _, _, err = server.Respond(hello)
	check.Must(t, err)
	refused(t, "an offer added", old, w, server.key.Public())
	w, _, _, err = server.Respond(old.Hello())
	check.Must(t, err)
	w.KEMCiphertext = stripped.Certificate
	refused(t, "a choice that was not offered", old, w, server.key.Public())
}

func TestChangedCiphertextIsRefused(t *testing.T) {
	t.Parallel()
	server, client := newServer(t), newHybridClient(t)
	good, _, _, err := server.Respond(client.Hello())
	check.Must(t, err)
	try := func(what string, text []byte) {
		w := good
		w.KEMCiphertext = text
		refused(t, "ciphertext "+what, client, w, server.key.Public())
	}
	for i := range good.KEMCiphertext {
		try(fmt.Sprintf("byte %d", i), check.Flip(good.KEMCiphertext, i))
	}
	try("cut", good.KEMCiphertext[1:])
	try("longer", append(bytes.Clone(good.KEMCiphertext), 0))
	if _, _, err := client.Finish(good, server.key.Public()); err != nil {
		t.Errorf("the good one: %v", err)
	}
	// The client also refuses a malformed ciphertext that the bank's own key signed.
	for name, text := range map[string][]byte{"cut": good.KEMCiphertext[1:], "longer": append(bytes.Clone(good.KEMCiphertext), 0)} {
		w := good
		w.KEMCiphertext = text
		w.Signature, err = sm.Sign(server.key, channel.Transcript(client.Hello(), w))
		check.Must(t, err)
		refused(t, "signed ciphertext "+name, client, w, server.key.Public())
	}
}

// The keys need both secrets. Who has only one of the two private keys derives other keys,
// also with the whole transcript, and no frame opens.
func TestBothSecretsAreNeeded(t *testing.T) {
	t.Parallel()
	server, own := newServer(t), keytest.PrivateKey(t)
	kem, other := newKEMKey(t), newKEMKey(t)
	hello := newClient(t).Hello()
	hello.Version, hello.ClientKey, hello.KEMKey = channel.HybridVersion, marshal(t, own.Public()), kem.Public()
	w, _, right, err := server.Respond(hello)
	check.Must(t, err)
	for name, tt := range map[string]struct {
		own  *sm.PrivateKey
		kem  *sm.KEMKey
		want bool
	}{
		"both keys":       {own, kem, true},
		"another KEM key": {own, other, false},
		"another SM2 key": {keytest.PrivateKey(t), kem, false},
		"two other keys":  {keytest.PrivateKey(t), other, false},
	} {
		_, keys, err := channel.HybridClientWith(hello, tt.own, tt.kem).Finish(w, server.key.Public())
		check.Must(t, err)
		if (keys.ClientToServer == right.ClientToServer) != tt.want || (keys.ServerToClient == right.ServerToClient) != tt.want {
			t.Errorf("with %s: the same keys: %v, want %v", name, !tt.want, tt.want)
		}
		frame, err := channel.SealRequest(keys, header, "POST", function, clear)
		check.Must(t, err)
		if _, err := channel.OpenRequest(right, frame, "POST", function); (err == nil) != tt.want {
			t.Errorf("with %s: the frame: %v", name, err)
		}
	}
}

func newKEMKey(t testing.TB) *sm.KEMKey {
	t.Helper()
	k, err := sm.GenerateKEMKey()
	check.Must(t, err)
	return k
}

// An eavesdropper who records a handshake and its frames, and later breaks one of the two
// algorithms, has one of the secrets, and reads nothing.
func TestARecordedChannelStaysClosed(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	number, seed := named("app that is recorded"), slices.Concat(named("its d"), named("its z"))
	public, theirs := mlkem768.NewKeyFromSeed(seed)
	packed, err := public.MarshalBinary()
	check.Must(t, err)
	hello := newClient(t).Hello()
	hello.Version, hello.ClientKey, hello.KEMKey = channel.HybridVersion, marshal(t, privateKey(t, number).Public()), packed
	w, _, right, err := server.Respond(hello)
	check.Must(t, err)
	agreed := theirAgreement(t, w.ServerKey, number)
	encapsulated := make([]byte, mlkem768.SharedKeySize)
	theirs.DecapsulateTo(encapsulated, w.KEMCiphertext)
	transcript := channel.Transcript(hello, w)
	for name, tt := range map[string]struct {
		agreed, encapsulated []byte
		want                 bool
	}{
		"both":                        {agreed, encapsulated, true},
		"only SM2's":                  {agreed, nil, false},
		"SM2's, and zeros":            {agreed, make([]byte, 32), false},
		"SM2's, and another":          {agreed, check.Flip(encapsulated, 0), false},
		"only ML-KEM's":               {nil, encapsulated, false},
		"ML-KEM's, and zeros":         {make([]byte, 32), encapsulated, false},
		"ML-KEM's, and another":       {check.Flip(agreed, 31), encapsulated, false},
		"both in the other order":     {encapsulated, agreed, false},
		"only SM2's, as in version 1": {agreed, []byte{}, false},
	} {
		toServer, toClient := theirHybridKeys(tt.agreed, tt.encapsulated, transcript)
		if bytes.Equal(toServer, right.ClientToServer[:]) != tt.want || bytes.Equal(toClient, right.ServerToClient[:]) != tt.want {
			t.Errorf("from %s: the channel's keys: %v", name, !tt.want)
		}
	}
}

// Each byte of both messages changes the keys, also where only the transcript has it.
func TestKeysAreBoundToTheOfferAndTheChoice(t *testing.T) {
	t.Parallel()
	server, own, kem := newServer(t), keytest.PrivateKey(t), newKEMKey(t)
	hello := newClient(t).Hello()
	hello.Version, hello.ClientKey, hello.KEMKey = channel.HybridVersion, marshal(t, own.Public()), kem.Public()
	w, _, right, err := server.Respond(hello)
	check.Must(t, err)
	finish := func(hello channel.Hello, w channel.Welcome) channel.Keys {
		t.Helper()
		w.Signature, err = sm.Sign(server.key, channel.Transcript(hello, w)) // as if SM2's signatures were broken
		check.Must(t, err)
		_, keys, err := channel.HybridClientWith(hello, own, kem).Finish(w, server.key.Public())
		check.Must(t, err)
		return keys
	}
	if finish(hello, w) != right {
		t.Fatal("the same messages give other keys")
	}
	for i := range 8 {
		at := i * 131
		otherHello, otherWelcome := hello, w
		otherHello.KEMKey = check.Flip(hello.KEMKey, at)
		otherWelcome.KEMCiphertext = check.Flip(w.KEMCiphertext, at)
		if finish(otherHello, w) == right || finish(hello, otherWelcome) == right {
			t.Errorf("byte %d of the offer or the choice does not count", at)
		}
	}
	declined := w
	declined.KEMCiphertext = nil
	if finish(hello, declined) == right {
		t.Error("version 1 gives the keys of version 2")
	}
}

// Whatever stands in an offer, the bank refuses it or answers with a choice that fits it.
func FuzzHello(f *testing.F) {
	v, _ := readHybridVectors(f)
	key := privateKey(f, named("bank channel key"))
	server := channel.Server{Sign: func(message []byte) ([]byte, error) { return sm.Sign(key, message) }}
	good, err := json.Marshal(v.Hello)
	check.Must(f, err)
	f.Add(good)
	first, _ := readVectors(f)
	old, err := json.Marshal(first.Hello)
	check.Must(f, err)
	f.Add(old)
	f.Add([]byte(`{"version":2,"kem_key":"AAAA"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var hello channel.Hello
		if json.Unmarshal(raw, &hello) != nil {
			return
		}
		w, id, keys, err := server.Respond(hello)
		switch {
		case err != nil:
			if w.Signature != nil || id != (channel.ID{}) || keys != (channel.Keys{}) {
				t.Errorf("%q is refused, and gives %x", raw, id)
			}
		case w.Hybrid() != (hello.Version == channel.HybridVersion) || w.Hybrid() != (len(hello.KEMKey) > 0):
			t.Errorf("%q gets a ciphertext of %d bytes", raw, len(w.KEMCiphertext))
		case sm.Verify(key.Public(), channel.Transcript(hello, w), w.Signature) != nil:
			t.Errorf("%q: the signature does not hold", raw)
		}
	})
}

// Whatever stands in a welcome, an app takes it only if the bank has signed it, and with a
// ciphertext that fits. The fuzzer may sign with the bank's key.
func FuzzWelcome(f *testing.F) {
	v, _ := readHybridVectors(f)
	first, _ := readVectors(f)
	key, own := privateKey(f, named("bank channel key")), privateKey(f, first.ClientKey.Private)
	kem, err := sm.ParseKEMKey(v.KEMSeed)
	check.Must(f, err)
	good, err := json.Marshal(v.Welcome)
	check.Must(f, err)
	declined, err := json.Marshal(v.Declined.Welcome)
	check.Must(f, err)
	for _, signs := range []bool{true, false} {
		f.Add(good, signs)
		f.Add(declined, signs)
	}
	f.Fuzz(func(t *testing.T, raw []byte, signs bool) {
		var w channel.Welcome
		if json.Unmarshal(raw, &w) != nil {
			return
		}
		transcript := channel.Transcript(v.Hello, w)
		if signs {
			w.Signature, err = sm.Sign(key, transcript)
			check.Must(t, err)
		}
		_, keys, err := channel.HybridClientWith(v.Hello, own, kem).Finish(w, key.Public())
		switch {
		case err != nil:
			if keys != (channel.Keys{}) {
				t.Errorf("%q is refused, and gives keys", raw)
			}
		case w.Hybrid() && len(w.KEMCiphertext) != sm.KEMCiphertextSize:
			t.Errorf("%q was taken with a ciphertext of %d bytes", raw, len(w.KEMCiphertext))
		case !signs && !bytes.Equal(transcript, v.Transcript) && !bytes.Equal(transcript, v.Declined.Transcript):
			t.Errorf("%q was taken, and the bank has not signed it", raw)
		}
	})
}
