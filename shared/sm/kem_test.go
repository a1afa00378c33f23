package sm_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	othermlkem "github.com/cloudflare/circl/kem/mlkem/mlkem768"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

func kemSeed(t testing.TB) []byte {
	t.Helper()
	seed := make([]byte, sm.KEMSeedSize)
	_, err := rand.Read(seed)
	check.Must(t, err)
	return seed
}

// A second implementation makes the same key of a seed, opens what ours encapsulates, and
// makes what ours opens. It also answers a changed ciphertext with the same other secret.
func TestEncapsulationsBothWays(t *testing.T) {
	t.Parallel()
	for range 20 {
		seed := kemSeed(t)
		ours, err := sm.ParseKEMKey(seed)
		check.Must(t, err)
		public, theirs := othermlkem.NewKeyFromSeed(seed)
		packed, err := public.MarshalBinary()
		check.Must(t, err)
		if !bytes.Equal(ours.Public(), packed) || len(packed) != sm.KEMPublicSize {
			t.Fatalf("the key of %x differs", seed)
		}
		ciphertext, secret, err := sm.Encapsulate(packed)
		check.Must(t, err)
		opened := make([]byte, othermlkem.SharedKeySize)
		theirs.DecapsulateTo(opened, ciphertext)
		if !bytes.Equal(opened, secret.Bytes()) || len(ciphertext) != sm.KEMCiphertextSize {
			t.Errorf("theirs opens ours as %x, want %x", opened, secret.Bytes())
		}
		made, shared := make([]byte, othermlkem.CiphertextSize), make([]byte, othermlkem.SharedKeySize)
		public.EncapsulateTo(made, shared, nil)
		got, err := sm.Decapsulate(ours, made)
		if err != nil || !bytes.Equal(got.Bytes(), shared) {
			t.Errorf("ours opens theirs as %x, %v, want %x", got.Bytes(), err, shared)
		}
		changed := check.Flip(made, int(seed[0])*4)
		theirs.DecapsulateTo(opened, changed)
		got, err = sm.Decapsulate(ours, changed)
		if err != nil || !bytes.Equal(got.Bytes(), opened) || bytes.Equal(opened, shared) {
			t.Errorf("a changed ciphertext gives %x, %v, want %x", got.Bytes(), err, opened)
		}
	}
}

// A key or a ciphertext of another length is refused, and so is a key with a number above
// the modulus.
func TestMalformedEncapsulations(t *testing.T) {
	t.Parallel()
	key, err := sm.GenerateKEMKey()
	check.Must(t, err)
	public := key.Public()
	ciphertext, _, err := sm.Encapsulate(public)
	check.Must(t, err)
	unreduced := slices.Concat([]byte{0xff, 0xff, 0xff}, public[3:])
	for name, public := range map[string][]byte{
		"nothing": nil, "one byte less": public[1:], "one byte more": append(bytes.Clone(public), 0), "not reduced": unreduced,
	} {
		if out, secret, err := sm.Encapsulate(public); !errors.Is(err, sm.ErrKey) || out != nil || secret.Bytes() != nil {
			t.Errorf("a key, %s: %x, %v; want nothing and ErrKey", name, out, err)
		}
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "one byte less": ciphertext[1:], "one byte more": append(bytes.Clone(ciphertext), 0),
	} {
		if secret, err := sm.Decapsulate(key, text); !errors.Is(err, sm.ErrOpen) || secret.Bytes() != nil {
			t.Errorf("a ciphertext, %s: %v; want nothing and ErrOpen", name, err)
		}
	}
	for _, size := range []int{0, 32, 63, 65} {
		if got, err := sm.ParseKEMKey(make([]byte, size)); !errors.Is(err, sm.ErrKey) || got != nil {
			t.Errorf("a seed of %d bytes: %v", size, err)
		}
	}
}

// The result depends on each of the two secrets and on the info, and is the KDF over them.
func TestHybridKeysNeedBothSecrets(t *testing.T) {
	t.Parallel()
	agreed, err := sm.Agree(keytest.PrivateKey(t), keytest.PrivateKey(t).Public())
	check.Must(t, err)
	key, err := sm.GenerateKEMKey()
	check.Must(t, err)
	_, encapsulated, err := sm.Encapsulate(key.Public())
	check.Must(t, err)
	info := []byte("info")
	right := sm.DeriveHybrid(agreed, encapsulated, info, 32)
	if want := derive(slices.Concat(agreed.Bytes(), encapsulated.Bytes(), info), 32); !bytes.Equal(right, want) {
		t.Errorf("derived %x, want %x", right, want)
	}
	x, k := agreed.Bytes(), encapsulated.Bytes()
	for i := range x {
		for name, wrong := range map[string][]byte{
			"SM2's secret":    sm.DeriveHybrid(sm.SecretOf(check.Flip(x, i)), encapsulated, info, 32),
			"ML-KEM's secret": sm.DeriveHybrid(agreed, sm.KEMSecretOf(check.Flip(k, i)), info, 32),
			"the info":        sm.DeriveHybrid(agreed, encapsulated, check.Flip(info, i%len(info)), 32),
			"both in turn":    sm.DeriveHybrid(sm.SecretOf(k), sm.KEMSecretOf(x), info, 32),
			"SM2 alone":       sm.Derive(agreed, info, 32),
		} {
			if bytes.Equal(right, wrong) {
				t.Errorf("another %s, at byte %d, gives the same keys", name, i)
			}
		}
	}
}

// Whatever a stranger sends as a key or a ciphertext, the module refuses it or takes it
// whole, and two sides that finish have one secret.
func FuzzEncapsulate(f *testing.F) {
	key, err := sm.ParseKEMKey(make([]byte, sm.KEMSeedSize))
	check.Must(f, err)
	f.Add(key.Public(), make([]byte, sm.KEMCiphertextSize))
	f.Add(key.Public()[1:], []byte{})
	f.Fuzz(func(t *testing.T, public, text []byte) {
		ciphertext, secret, err := sm.Encapsulate(public)
		if (err == nil) != (len(ciphertext) == sm.KEMCiphertextSize) || err == nil && len(public) != sm.KEMPublicSize {
			t.Errorf("a key of %d bytes: %d bytes, %v", len(public), len(ciphertext), err)
		}
		if bytes.Equal(public, key.Public()) {
			got, err := sm.Decapsulate(key, ciphertext)
			if err != nil || !bytes.Equal(got.Bytes(), secret.Bytes()) {
				t.Errorf("the right key opens another secret, %v", err)
			}
		}
		got, err := sm.Decapsulate(key, text)
		if good := len(text) == sm.KEMCiphertextSize; good != (err == nil) || good != (len(got.Bytes()) == 32) {
			t.Errorf("a ciphertext of %d bytes: %d bytes, %v", len(text), len(got.Bytes()), err)
		}
	})
}
