package sm_test

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/emmansun/gmsm/sm2"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// eachFlip calls try with the text and one bit of it changed, for every bit.
func eachFlip(text []byte, try func(at string, flipped []byte)) {
	for i := range text {
		for bit := range 8 {
			flipped := bytes.Clone(text)
			flipped[i] ^= 1 << bit
			try(fmt.Sprintf("byte %d bit %d", i, bit), flipped)
		}
	}
}

// eachCut calls try with every true beginning of the text, and with one byte more.
func eachCut(text []byte, try func(at string, cut []byte)) {
	for n := range text {
		try(fmt.Sprintf("first %d bytes", n), text[:n])
	}
	try("one byte more", append(bytes.Clone(text), 0))
}

func TestSealedIsBoundToEveryBit(t *testing.T) {
	t.Parallel()
	key, plain, aad := sm.NewKey(), []byte("余额 1,234.56"), []byte("account.balance.7")
	sealed, err := sm.Seal(key, plain, aad)
	check.Must(t, err)
	got, err := sm.Open(key, sealed, aad)
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("opened %q, %v", got, err)
	}
	refused := func(what string, key sm.Key, sealed, aad []byte) {
		t.Helper()
		if got, err := sm.Open(key, sealed, aad); !errors.Is(err, sm.ErrOpen) || got != nil {
			t.Errorf("%s: got %q, %v; want nothing and ErrOpen", what, got, err)
		}
	}
	eachFlip(sealed, func(at string, flipped []byte) { refused("sealed "+at, key, flipped, aad) })
	eachCut(sealed, func(at string, cut []byte) { refused("sealed "+at, key, cut, aad) })
	eachFlip(aad, func(at string, flipped []byte) { refused("aad "+at, key, sealed, flipped) })
	eachCut(aad, func(at string, cut []byte) { refused("aad "+at, key, sealed, cut) })
	eachFlip(key[:], func(at string, flipped []byte) { refused("key "+at, sm.Key(flipped), sealed, aad) })
}

func TestSealTakesAnySize(t *testing.T) {
	t.Parallel()
	key := sm.NewKey()
	for _, size := range []int{0, 1, 15, 16, 17, 4096, 8 << 20} {
		plain := bytes.Repeat([]byte{7}, size)
		sealed, err := sm.Seal(key, plain, nil)
		check.Must(t, err)
		if len(sealed) != sm.NonceSize+size+sm.Overhead {
			t.Errorf("%d bytes seal into %d", size, len(sealed))
		}
		if got, err := sm.Open(key, sealed, nil); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: opened %d, %v", size, len(got), err)
		}
	}
}

func TestSealingTwiceDiffers(t *testing.T) {
	t.Parallel()
	key, seen := sm.NewKey(), map[string]bool{}
	for range 1000 {
		sealed, err := sm.Seal(key, []byte("same"), nil)
		check.Must(t, err)
		nonce := string(sealed[:sm.NonceSize])
		if seen[nonce] {
			t.Fatal("a nonce came twice")
		}
		seen[nonce] = true
	}
}

func TestSignatureIsBoundToEveryBit(t *testing.T) {
	t.Parallel()
	key, message := keytest.PrivateKey(t), []byte("金额：人民币1.00元")
	signature, err := sm.Sign(key, message)
	check.Must(t, err)
	check.Must(t, sm.Verify(key.Public(), message, signature))
	refused := func(what string, key *sm.PublicKey, message, signature []byte) {
		t.Helper()
		if err := sm.Verify(key, message, signature); !errors.Is(err, sm.ErrSignature) {
			t.Errorf("%s: %v, want ErrSignature", what, err)
		}
	}
	eachFlip(signature, func(at string, flipped []byte) { refused("signature "+at, key.Public(), message, flipped) })
	eachCut(signature, func(at string, cut []byte) { refused("signature "+at, key.Public(), message, cut) })
	eachFlip(message, func(at string, flipped []byte) { refused("message "+at, key.Public(), flipped, signature) })
	eachCut(message, func(at string, cut []byte) { refused("message "+at, key.Public(), cut, signature) })
	refused("another key", keytest.PrivateKey(t).Public(), message, signature)
}

func TestSignTakesAnySizeButNone(t *testing.T) {
	t.Parallel()
	key := keytest.PrivateKey(t)
	for _, size := range []int{1, 63, 64, 65, 8 << 20} {
		message := make([]byte, size)
		signature, err := sm.Sign(key, message)
		check.Must(t, err)
		if err := sm.Verify(key.Public(), message, signature); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if got, err := sm.Sign(key, nil); !errors.Is(err, sm.ErrEmpty) || got != nil {
		t.Errorf("nothing is signed by %x, %v; want ErrEmpty", got, err)
	}
}

// Numbers out of range and second encodings of a good signature must not pass.
func TestSignatureHasOneForm(t *testing.T) {
	t.Parallel()
	key, message := keytest.PrivateKey(t), []byte("message")
	signature, err := sm.Sign(key, message)
	check.Must(t, err)
	var good struct{ R, S *big.Int }
	_, err = asn1.Unmarshal(signature, &good)
	check.Must(t, err)
	n, zero := sm2.P256().Params().N, new(big.Int)
	plus := func(a *big.Int) *big.Int { return new(big.Int).Add(a, n) }
	minus := func(a *big.Int) *big.Int { return new(big.Int).Sub(n, a) }
	for name, numbers := range map[string][]*big.Int{
		"r is 0": {zero, good.S}, "s is 0": {good.R, zero}, "both are 0": {zero, zero},
		"r and n": {plus(good.R), good.S}, "s and n": {good.R, plus(good.S)}, "s is n": {good.R, n}, "r is n": {n, good.S},
		"minus s": {good.R, minus(good.S)}, "minus r": {minus(good.R), good.S}, "changed places": {good.S, good.R},
		"negative": {new(big.Int).Neg(good.R), good.S}, "a third": {good.R, good.S, zero}, "one alone": {good.R}, "none": {},
	} {
		if err := sm.Verify(key.Public(), message, encode(t, numbers)); !errors.Is(err, sm.ErrSignature) {
			t.Errorf("%s: %v, want ErrSignature", name, err)
		}
	}
	long := append([]byte{signature[0], 0x81}, signature[1:]...) // the length in a longer form
	if err := sm.Verify(key.Public(), message, long); !errors.Is(err, sm.ErrSignature) {
		t.Errorf("BER: %v, want ErrSignature", err)
	}
	raw := append(good.R.FillBytes(make([]byte, 32)), good.S.FillBytes(make([]byte, 32))...)
	if err := sm.Verify(key.Public(), message, raw); !errors.Is(err, sm.ErrSignature) {
		t.Errorf("r and s without DER: %v, want ErrSignature", err)
	}
}

func TestCiphertextIsBoundToEveryBit(t *testing.T) {
	t.Parallel()
	key := keytest.PrivateKey(t)
	ciphertext, err := sm.Encrypt(key.Public(), []byte("739164"))
	check.Must(t, err)
	refused := func(what string, key *sm.PrivateKey, ciphertext []byte) {
		t.Helper()
		if got, err := sm.Decrypt(key, ciphertext); !errors.Is(err, sm.ErrOpen) || got != nil {
			t.Errorf("%s: got %q, %v; want nothing and ErrOpen", what, got, err)
		}
	}
	eachFlip(ciphertext, func(at string, flipped []byte) { refused(at, key, flipped) })
	eachCut(ciphertext, func(at string, cut []byte) { refused(at, key, cut) })
	refused("another key", keytest.PrivateKey(t), ciphertext)
	for name, opts := range map[string]*sm2.EncrypterOpts{
		"C1C3C2 without ASN.1": sm2.NewPlainEncrypterOpts(sm2.MarshalUncompressed, sm2.C1C3C2),
		"compressed point":     sm2.NewPlainEncrypterOpts(sm2.MarshalCompressed, sm2.C1C3C2),
	} {
		plain, err := sm2.ASN1Ciphertext2Plain(ciphertext, opts)
		check.Must(t, err)
		refused(name, key, plain)
	}
}

func TestEncryptTakesAnySizeButNone(t *testing.T) {
	t.Parallel()
	key := keytest.PrivateKey(t)
	for _, size := range []int{1, 2, 31, 32, 33, 1 << 20} {
		message := bytes.Repeat([]byte{9}, size)
		ciphertext, err := sm.Encrypt(key.Public(), message)
		check.Must(t, err)
		if got, err := sm.Decrypt(key, ciphertext); err != nil || !bytes.Equal(got, message) {
			t.Errorf("%d bytes: opened %d, %v", size, len(got), err)
		}
	}
	if got, err := sm.Encrypt(key.Public(), nil); !errors.Is(err, sm.ErrEmpty) || got != nil {
		t.Errorf("nothing encrypts to %x, %v; want ErrEmpty", got, err)
	}
}

// The parts of a MAC can't be cut otherwise without changing it; a digest's can.
func TestMACKeepsItsPartsApart(t *testing.T) {
	t.Parallel()
	part := func(texts ...string) [][]byte {
		var list [][]byte
		for _, text := range texts {
			list = append(list, []byte(text))
		}
		return list
	}
	lists := [][][]byte{
		part(), part(""), part("", ""), part("ab"), part("a", "b"), part("", "ab"), part("ab", ""), part("\x00\x00\x00\x02ab"),
	}
	seen := map[string]int{}
	for i, list := range lists {
		sum := string(sm.MAC([]byte("key"), list...))
		if j, ok := seen[sum]; ok {
			t.Errorf("%q and %q have the same MAC", lists[j], list)
		}
		seen[sum] = i
		if string(sm.MAC([]byte("kez"), list...)) == sum {
			t.Errorf("%q has the same MAC under another key", list)
		}
	}
}

func TestAgreementIsMutual(t *testing.T) {
	t.Parallel()
	one, two, three := keytest.PrivateKey(t), keytest.PrivateKey(t), keytest.PrivateKey(t)
	agree := func(own, peer *sm.PrivateKey) string {
		secret, err := sm.Agree(own, peer.Public())
		check.Must(t, err)
		return string(secret.Bytes())
	}
	if agree(one, two) != agree(two, one) {
		t.Error("the two sides differ")
	}
	if agree(one, two) == agree(one, three) || agree(one, two) == agree(three, two) {
		t.Error("a third key agrees on the same secret")
	}
}
