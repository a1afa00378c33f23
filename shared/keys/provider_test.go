package keys

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// kms is a second provider, as one behind a network would be. It counts what it is
// asked, can be stopped, and has no method that returns a private key.
type kms struct {
	mu      sync.Mutex
	calls   map[string]int
	stopped bool
	secrets map[Purpose][][]byte
	macs    map[Purpose][]byte
	private map[Purpose]*sm.PrivateKey
	der     []byte
}

var errStopped = errors.New("kms: stopped")

func newKMS(t *testing.T) *kms {
	t.Helper()
	k := &kms{
		calls: map[string]int{}, secrets: map[Purpose][][]byte{}, macs: map[Purpose][]byte{}, private: map[Purpose]*sm.PrivateKey{},
	}
	for i, p := range All() {
		if p.kind() == symmetric {
			k.secrets[p] = [][]byte{bytes.Repeat([]byte{byte(i + 1)}, secretSize)}
			continue
		}
		if p.kind() == summing {
			k.macs[p] = bytes.Repeat([]byte{byte(i + 1)}, macSize)
			continue
		}
		key, err := sm.GenerateKey()
		check.Must(t, err)
		k.private[p] = key
	}
	var err error
	k.der, err = sm.SelfSigned(k.private[Channel], "KMS", clock.System{}.Now().Add(-time.Hour), 2*time.Hour)
	check.Must(t, err)
	return k
}

func (k *kms) asked(what string, p Purpose) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls[what+" "+string(p)]++
	if k.stopped {
		return errStopped
	}
	return nil
}

// wantCalls fails the test unless these calls, and no others, came since the last
// time.
func (k *kms) wantCalls(t *testing.T, want map[string]int) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if diff := cmp.Diff(want, maps.Clone(k.calls)); diff != "" {
		t.Errorf("calls of the provider (-want +got):\n%s", diff)
	}
	clear(k.calls)
}

func (k *kms) stop(stopped bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = stopped
}

func (k *kms) unwrap(ctx context.Context, p Purpose) (list []versioned[[]byte], err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, key := range k.secrets[p] {
		list = append(list, versioned[[]byte]{id: uint16(i + 1), key: key})
	}
	return list, k.asked("unwrap", p)
}

func (k *kms) pairs(_ context.Context, p Purpose) ([]versioned[pair], error) {
	return []versioned[pair]{{id: 1, key: kmsPair{k, p}}}, k.asked("pair", p)
}

func (k *kms) mac(_ context.Context, p Purpose) (mac, error) { return kmsMAC{k, p}, k.asked("mac", p) }

// kmsMAC is a reference, as kmsPair is. Its only key has the id 7.
type kmsMAC struct {
	kms     *kms
	purpose Purpose
}

func (m kmsMAC) current(time.Time) uint16 { return 7 }

func (m kmsMAC) sum(id uint16, message []byte) ([]byte, error) {
	if id != 7 {
		return nil, ErrMAC
	}
	if err := m.kms.asked("sum", m.purpose); err != nil {
		return nil, err
	}
	return sm.MAC(m.kms.macs[m.purpose], message), nil
}

func (k *kms) certificate(context.Context) ([]byte, error) {
	return k.der, k.asked("certificate", Channel)
}

func (k *kms) otherChannelKeys(context.Context) ([]certified, error) { return nil, nil }

// kmsPair is a reference: the purpose, by which the provider finds its key.
type kmsPair struct {
	kms     *kms
	purpose Purpose
}

func (p kmsPair) public() *sm.PublicKey { return p.kms.private[p.purpose].Public() }

func (p kmsPair) sign(message []byte) ([]byte, error) {
	if err := p.kms.asked("sign", p.purpose); err != nil {
		return nil, err
	}
	return sm.Sign(p.kms.private[p.purpose], message)
}

func (p kmsPair) decrypt(sealed []byte) ([]byte, error) {
	if err := p.kms.asked("decrypt", p.purpose); err != nil {
		return nil, err
	}
	clear, err := sm.Decrypt(p.kms.private[p.purpose], sealed)
	if err != nil {
		return nil, ErrOpen
	}
	return clear, nil
}

func TestAnotherProviderFits(t *testing.T) {
	t.Parallel()
	k, message := newKMS(t), []byte("message")
	ring, err := openRing(t.Context(), k, []Purpose{Channel, Password, Ledger, Storage, Pepper})
	check.Must(t, err)
	k.wantCalls(t, map[string]int{
		"pair channel": 1, "pair password": 1, "unwrap ledger": 1, "unwrap storage": 1, "certificate channel": 1, "mac pepper": 1,
	})

	signature, err := ring.Sign(Channel, message)
	if err != nil || sm.Verify(ring.Public(Channel), message, signature) != nil {
		t.Errorf("signature %x, %v", signature, err)
	}
	if !bytes.Equal(ring.Certificate(), k.der) {
		t.Error("the certificate is not the provider's")
	}
	sealed, err := sm.Encrypt(ring.Public(Password), message)
	check.Must(t, err)
	if got, err := ring.Only(Password).Decrypt(Password, sealed); err != nil || !bytes.Equal(got, message) {
		t.Errorf("opened %q, %v", got, err)
	}
	pepper, err := ring.SumKey(Pepper)
	if err != nil || pepper != "pepper/7" {
		t.Errorf("the pepper's key is %q, %v", pepper, err)
	}
	if sum, err := ring.Only(Pepper).Sum(Pepper, pepper, message); err != nil || !bytes.Equal(sum, sm.MAC(k.macs[Pepper], message)) {
		t.Errorf("the provider's MAC is %x, %v", sum, err)
	}
	k.wantCalls(t, map[string]int{"sign channel": 1, "decrypt password": 1, "sum pepper": 1})

	sum, id := ring.MAC(Ledger, message)
	if err := ring.VerifyMAC(Ledger, id, sum, message); err != nil {
		t.Error(err)
	}
	if _, wrapped, err := ring.NewDataKey(); err != nil {
		t.Error(err)
	} else if _, err := ring.OpenDataKey(wrapped); err != nil {
		t.Error(err)
	}
	if _, err := ring.Sign(Password, message); !errors.Is(err, ErrPurpose) {
		t.Errorf("%v, want ErrPurpose", err)
	}
	k.wantCalls(t, map[string]int{}) // symmetric keys cost no trip, misuse never gets there
}

// Without the provider no core key works: no private key and no pepper, and no key of a
// purpose opens, which the root has wrapped. The fault is not the ciphertext's.
func TestProviderThatIsStopped(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-004.3")
	k := newKMS(t)
	ring, err := openRing(t.Context(), k, All())
	check.Must(t, err)
	sealed, err := sm.Encrypt(ring.Public(Password), []byte("secret"))
	check.Must(t, err)
	k.stop(true)
	if got, err := ring.Sign(Channel, []byte("message")); !errors.Is(err, errStopped) || got != nil {
		t.Errorf("sign: %x, %v", got, err)
	}
	if got, err := ring.ChannelKeys()[0].Sign([]byte("message")); !errors.Is(err, errStopped) || got != nil {
		t.Errorf("sign with the channel key: %x, %v", got, err)
	}
	got, err := ring.Decrypt(Password, sealed)
	if !errors.Is(err, errStopped) || errors.Is(err, ErrOpen) || got != nil {
		t.Errorf("decrypt: %x, %v", got, err)
	}
	if got, err := ring.Sum(Pepper, "pepper/7", []byte("secret")); !errors.Is(err, errStopped) || got != nil {
		t.Errorf("sum: %x, %v", got, err)
	}
	for _, p := range All() {
		if ring, err := openRing(t.Context(), k, []Purpose{p}); !errors.Is(err, errStopped) || ring != nil {
			t.Errorf("open %s: %v, want the provider's error", p, err)
		}
	}
	k.stop(false)
	if got, err := ring.Decrypt(Password, sealed); err != nil || string(got) != "secret" {
		t.Errorf("decrypt later: %q, %v", got, err)
	}
}

// The ring checks what any provider gives it.
func TestProviderThatBreaksItsPromise(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		says  string
		spoil func(*kms)
	}{
		"no keys":             {"ledger: there is no key", func(k *kms) { k.secrets[Ledger] = nil }},
		"a short key":         {"ledger: keys: does not open", func(k *kms) { k.secrets[Ledger] = [][]byte{make([]byte, secretSize-1)} }},
		"a long key":          {"ledger: keys: does not open", func(k *kms) { k.secrets[Ledger] = [][]byte{make([]byte, secretSize+1)} }},
		"no certificate":      {"certificate", func(k *kms) { k.der = nil }},
		"another certificate": {"certificate", func(k *kms) { k.private[Channel] = k.private[Password] }},
	} {
		k := newKMS(t)
		tt.spoil(k)
		if ring, err := openRing(t.Context(), k, All()); err == nil || !strings.Contains(err.Error(), tt.says) || ring != nil {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}
