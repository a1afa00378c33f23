package keytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// Provider is a provider of keys under the contract's test.
type Provider struct {
	// Config opens the provider's keys.
	Config keys.Config
	// Change changes the bank's key file, and lets the provider have the change.
	Change func(t *testing.T, change func(file string) error)
}

var (
	text  = []byte("text")
	place = keys.AAD("table", "column", "row")
)

// Contract fails the test unless the provider keeps the promises that each provider of keys
// makes (shared/keys, provider). The same test runs with every provider.
func Contract(t *testing.T, p Provider) {
	t.Helper()
	hand := clock.NewManual(clock.System{}.Now())
	p.Config.Clock = hand
	t.Run("the same keys again", func(t *testing.T) { sameKeys(t, p) })
	t.Run("the declared purposes only", func(t *testing.T) { declaredOnly(t, p) })
	t.Run("changed bytes", func(t *testing.T) { changedBytes(t, p) })
	for _, purpose := range keys.All() {
		if purpose != keys.Channel && purpose != keys.BlindIndex {
			t.Run("rotation of "+string(purpose), func(t *testing.T) { rotation(t, p, purpose, hand) })
		}
	}
	t.Run("renewal of the channel key", func(t *testing.T) { renewal(t, p) })
}

func (p Provider) open(t *testing.T, purposes ...keys.Purpose) *keys.Ring {
	t.Helper()
	ring, err := keys.Open(t.Context(), p.Config, purposes...)
	check.Must(t, err)
	return ring
}

// Written is what a ring has written with the key of a purpose, and how a ring reads it.
type Written struct {
	KeyID string
	Read  func(*keys.Ring) error
}

// Write writes with the key of a purpose, whatever its kind.
func Write(t *testing.T, ring *keys.Ring, p keys.Purpose) Written {
	t.Helper()
	switch p {
	case keys.Channel:
		signature, err := ring.Sign(p, text)
		check.Must(t, err)
		return Written{Read: func(r *keys.Ring) error { return verifySignature(r, signature) }}
	case keys.Password:
		sealed, err := sm.Encrypt(ring.Public(p), text)
		check.Must(t, err)
		public, err := ring.Public(p).Marshal()
		check.Must(t, err)
		return Written{KeyID: string(public), Read: func(ring *keys.Ring) error {
			return same(ring.Decrypt(p, sealed))
		}}
	case keys.Pepper:
		id, err := ring.SumKey(p)
		check.Must(t, err)
		want, err := ring.Sum(p, id, text)
		check.Must(t, err)
		return Written{KeyID: id, Read: func(r *keys.Ring) error {
			got, err := r.Sum(p, id, text)
			if err == nil && !bytes.Equal(got, want) {
				err = errors.New("another MAC")
			}
			return err
		}}
	default:
		sealed, err := ring.Seal(p, place, text)
		check.Must(t, err)
		sum, id := ring.MAC(p, text)
		return Written{KeyID: id, Read: func(r *keys.Ring) error {
			return errors.Join(same(r.Open(p, place, sealed)), r.VerifyMAC(p, id, sum, text), r.VerifyAnyMAC(p, sum, text))
		}}
	}
}

func same(got []byte, err error) error {
	if err == nil && !bytes.Equal(got, text) {
		err = errors.New("another text")
	}
	return err
}

// verifySignature looks for the channel key that has signed.
func verifySignature(r *keys.Ring, signature []byte) error {
	for _, k := range r.ChannelKeys() {
		if sm.Verify(k.Public(), text, signature) == nil {
			return nil
		}
	}
	return errors.New("no channel key has signed this")
}

func sameKeys(t *testing.T, p Provider) {
	one, two := p.open(t, keys.All()...), p.open(t, keys.All()...)
	for _, purpose := range keys.All() {
		if err := Write(t, one, purpose).Read(two); err != nil {
			t.Errorf("%s: %v", purpose, err)
		}
	}
	if !bytes.Equal(one.BlindIndex("a", "b"), two.BlindIndex("a", "b")) || !bytes.Equal(one.Certificate(), two.Certificate()) {
		t.Error("the indexes or the certificates differ")
	}
}

func declaredOnly(t *testing.T, p Provider) {
	ring := p.open(t, keys.Ledger)
	if _, err := ring.Seal(keys.Storage, place, text); !errors.Is(err, keys.ErrPurpose) {
		t.Errorf("seal: %v", err)
	}
	if _, err := ring.Decrypt(keys.Password, text); !errors.Is(err, keys.ErrPurpose) {
		t.Errorf("decrypt: %v", err)
	}
	all := p.open(t, keys.All()...)
	sealed, err := all.Seal(keys.Storage, place, text)
	check.Must(t, err)
	if _, err := all.Open(keys.Session, place, sealed); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("the key of another purpose: %v", err)
	}
}

// changedBytes changes one bit of each kind of wrapped key.
func changedBytes(t *testing.T, p Provider) {
	raw, err := os.ReadFile(p.Config.File)
	check.Must(t, err)
	for _, part := range []struct {
		field   string
		purpose keys.Purpose
		list    bool
	}{{"secrets", keys.Storage, true}, {"macs", keys.Pepper, true}, {"pairs", keys.Password, false}} {
		var file map[string]json.RawMessage
		check.Must(t, json.Unmarshal(raw, &file))
		if part.list {
			var keysOf map[keys.Purpose][][]byte
			check.Must(t, json.Unmarshal(file[part.field], &keysOf))
			keysOf[part.purpose][0] = check.Flip(keysOf[part.purpose][0], 9)
			file[part.field] = check.JSON(t, keysOf)
		} else {
			var keysOf map[keys.Purpose][]byte
			check.Must(t, json.Unmarshal(file[part.field], &keysOf))
			keysOf[part.purpose] = check.Flip(keysOf[part.purpose], 9)
			file[part.field] = check.JSON(t, keysOf)
		}
		config := p.Config
		config.File = filepath.Join(t.TempDir(), "keys.json")
		check.Must(t, os.WriteFile(config.File, check.JSON(t, file), 0o600))
		if ring, err := keys.Open(t.Context(), config, part.purpose); !errors.Is(err, keys.ErrOpen) || ring != nil {
			t.Errorf("%s: %v, want ErrOpen", part.purpose, err)
		}
	}
}

// rotation adds a key. Before its time, every process knows it and none writes with it.
// Afterwards it writes, also in a process that has not looked yet, and the older key reads
// until it is retired.
func rotation(t *testing.T, p Provider, purpose keys.Purpose, hand *clock.Manual) {
	ring, late := p.open(t, keys.All()...), p.open(t, keys.All()...)
	old := Write(t, ring, purpose)
	from := hand.Now().Add(keys.MinLead + time.Minute)
	if real := (clock.System{}).Now().Add(keys.MinLead + time.Minute); real.After(from) {
		from = real // the machine is slow
	}
	p.Change(t, func(file string) error {
		_, err := keys.Rotate(file, purpose, from)
		return err
	})
	if changed, err := ring.Reload(t.Context()); !changed || err != nil {
		t.Fatalf("reload: %v, %v", changed, err)
	}
	if early := Write(t, ring, purpose); early.KeyID != old.KeyID {
		t.Errorf("before its time %q writes, want %q", early.KeyID, old.KeyID)
	}
	hand.Advance(from.Sub(hand.Now()) + time.Second)
	fresh := Write(t, ring, purpose)
	if fresh.KeyID == old.KeyID {
		t.Errorf("after its time %q still writes", old.KeyID)
	}
	for name, w := range map[string]Written{"old": old, "new": fresh} {
		if err := w.Read(ring); err != nil {
			t.Errorf("the %s text: %v", name, err)
		}
	}
	// A ciphertext for the bank's password key names no key. It is only late for minutes.
	switch purpose {
	case keys.Password:
		_, err := late.Reload(t.Context())
		check.Must(t, err)
	default:
	}
	if err := fresh.Read(late); err != nil {
		t.Errorf("the process that had not looked: %v", err)
	}
}

// renewal makes a next channel key and then promotes it. A process signs with it without a
// restart, and the pins of both hold.
func renewal(t *testing.T, p Provider) {
	ring := p.open(t, keys.Channel)
	old, first := Write(t, ring, keys.Channel), ring.Certificate()
	for _, step := range []func(string) error{keys.AddChannelKey, keys.PromoteChannelKey} {
		p.Change(t, step)
		if changed, err := ring.Reload(t.Context()); !changed || err != nil {
			t.Fatalf("reload: %v, %v", changed, err)
		}
	}
	if bytes.Equal(ring.Certificate(), first) {
		t.Error("the first key is still the current one")
	}
	if err := errors.Join(old.Read(ring), Write(t, ring, keys.Channel).Read(ring)); err != nil {
		t.Error(err)
	}
}
