package sm_test

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	othersm2 "github.com/tjfoc/gmsm/sm2"
	othersm3 "github.com/tjfoc/gmsm/sm3"
	othersm4 "github.com/tjfoc/gmsm/sm4"
	otherx509 "github.com/tjfoc/gmsm/x509"
	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// other is the same key pair in a second implementation, handed over as DER.
func other(t testing.TB, k *sm.PrivateKey) *othersm2.PrivateKey {
	t.Helper()
	der, err := k.Marshal()
	check.Must(t, err)
	private, err := otherx509.ParsePKCS8UnecryptedPrivateKey(der)
	check.Must(t, err)
	der, err = k.Public().Marshal()
	check.Must(t, err)
	public, err := otherx509.ParseSm2PublicKey(der)
	check.Must(t, err)
	if public.X.Cmp(private.X) != 0 || public.Y.Cmp(private.Y) != 0 {
		t.Fatal("the halves of the key pair differ")
	}
	return private
}

func TestKeysFromTheOtherImplementation(t *testing.T) {
	t.Parallel()
	foreign, err := othersm2.GenerateKey(rand.Reader)
	check.Must(t, err)
	der, err := otherx509.MarshalSm2UnecryptedPrivateKey(foreign)
	check.Must(t, err)
	private, err := sm.ParsePrivateKey(der)
	check.Must(t, err)
	der, err = otherx509.MarshalSm2PublicKey(&foreign.PublicKey)
	check.Must(t, err)
	public, err := sm.ParsePublicKey(der)
	check.Must(t, err)
	if !private.Public().Equal(public) {
		t.Error("the halves of the key pair differ")
	}
}

func TestSignaturesBothWays(t *testing.T) {
	t.Parallel()
	ours := keytest.PrivateKey(t)
	theirs := other(t, ours)
	for _, message := range [][]byte{[]byte("x"), []byte("付款账户：622848*********1234"), make([]byte, 100_000)} {
		signature, err := sm.Sign(ours, message)
		check.Must(t, err)
		if !theirs.Verify(message, signature) {
			t.Errorf("theirs refuses our signature over %d bytes", len(message))
		}
		signature, err = theirs.Sign(rand.Reader, message, nil)
		check.Must(t, err)
		if err := sm.Verify(ours.Public(), message, signature); err != nil {
			t.Errorf("ours refuses their signature over %d bytes: %v", len(message), err)
		}
	}
}

func TestCiphertextsBothWays(t *testing.T) {
	t.Parallel()
	ours := keytest.PrivateKey(t)
	theirs := other(t, ours)
	for _, message := range [][]byte{[]byte("tide-2026x"), make([]byte, 32), bytes.Repeat([]byte("长"), 1000)} {
		ciphertext, err := sm.Encrypt(ours.Public(), message)
		check.Must(t, err)
		got, err := theirs.DecryptAsn1(ciphertext)
		if err != nil || !bytes.Equal(got, message) {
			t.Errorf("theirs opens our %d bytes as %d, %v", len(message), len(got), err)
		}
		ciphertext, err = theirs.EncryptAsn1(message, rand.Reader)
		check.Must(t, err)
		got, err = sm.Decrypt(ours, ciphertext)
		if err != nil || !bytes.Equal(got, message) {
			t.Errorf("ours opens their %d bytes as %d, %v", len(message), len(got), err)
		}
	}
}

func TestAgreementWithTheOtherImplementation(t *testing.T) {
	t.Parallel()
	one, two := keytest.PrivateKey(t), keytest.PrivateKey(t)
	got, err := sm.Agree(one, two.Public())
	check.Must(t, err)
	private, public := other(t, one), other(t, two)
	x, _ := private.ScalarMult(public.X, public.Y, private.D.Bytes())
	if want := x.FillBytes(make([]byte, 32)); !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestSM4GCMLikeTheOtherImplementation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fixed := func(name string, n int) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, name) }
		key, nonce := sm.Key(fixed("key", 16)), fixed("nonce", sm.NonceSize)
		plain := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "plain")
		aad := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "aad")
		block, err := othersm4.NewCipher(key[:])
		check.Must(t, err)
		theirs, err := cipher.NewGCM(block)
		check.Must(t, err)
		got, err := sm.Open(key, append(bytes.Clone(nonce), theirs.Seal(nil, nonce, plain, aad)...), aad)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("ours opens theirs as %x, %v", got, err)
		}
		sealed, err := sm.Seal(key, plain, aad)
		check.Must(t, err)
		got, err = theirs.Open(nil, sealed[:sm.NonceSize], sealed[sm.NonceSize:], aad)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("theirs opens ours as %x, %v", got, err)
		}
	})
}

func TestDigestsLikeTheOtherImplementation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "key")
		parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 200), 0, 4).Draw(t, "parts")
		h := hmac.New(othersm3.New, key)
		for _, p := range parts {
			h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
			h.Write(p)
		}
		if got, want := sm.MAC(key, parts...), h.Sum(nil); !bytes.Equal(got, want) {
			t.Fatalf("HMAC %x, want %x", got, want)
		}
		if got, want := sm.Digest(parts...), othersm3.Sm3Sum(bytes.Join(parts, nil)); !bytes.Equal(got, want) {
			t.Fatalf("digest %x, want %x", got, want)
		}
		n, info := rapid.IntRange(1, 100).Draw(t, "n"), bytes.Join(parts, nil)
		if got, want := sm.Derive(sm.SecretOf(key), info, n), derive(append(key, info...), n); !bytes.Equal(got, want) {
			t.Fatalf("derived %x, want %x", got, want)
		}
	})
}

// derive is GB/T 32918.4-2016, 5.4.3, on the other SM3.
func derive(z []byte, n int) []byte {
	var out []byte
	for counter := uint32(1); len(out) < n; counter++ {
		out = append(out, othersm3.Sm3Sum(binary.BigEndian.AppendUint32(bytes.Clone(z), counter))...)
	}
	return out[:n]
}

func TestPasswordHashLikeTheOtherImplementation(t *testing.T) {
	t.Parallel()
	stored, err := sm.HashPassword([]byte("tide-2026x"), 10_000)
	check.Must(t, err)
	parts := strings.Split(stored, "$")
	salt, err := base64.RawStdEncoding.DecodeString(parts[2])
	check.Must(t, err)
	sum, err := pbkdf2.Key(othersm3.New, "tide-2026x", salt, 10_000, 32)
	check.Must(t, err)
	want := "pbkdf2-sm3$10000$" + parts[2] + "$" + base64.RawStdEncoding.EncodeToString(sum)
	if stored != want {
		t.Errorf("stored %s, want %s", stored, want)
	}
}
