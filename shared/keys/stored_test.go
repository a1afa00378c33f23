package keys_test

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tjfoc/gmsm/sm3"
	"github.com/tjfoc/gmsm/sm4"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

// A key serves the purpose that it is labelled with: what one purpose sealed or
// authenticated, no other opens or accepts.
func TestAKeyServesItsPurposeOnly(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-008.1")
	ring, text, where := keytest.New(t), []byte("text"), []byte("table.column.7")
	for _, made := range symmetric {
		sealed, err := ring.Seal(made, where, text)
		check.Must(t, err)
		sum, id := ring.MAC(made, text)
		for _, used := range symmetric {
			got, err := ring.Open(used, where, sealed)
			if used == made && (err != nil || !bytes.Equal(got, text)) || used != made && (!errors.Is(err, keys.ErrOpen) || got != nil) {
				t.Errorf("sealed for %s, opened for %s: %q, %v", made, used, got, err)
			}
			if err := ring.VerifyMAC(used, id, sum, text); (err == nil) != (used == made) {
				t.Errorf("authenticated for %s, checked for %s: %v", made, used, err)
			}
		}
		for _, pair := range []keys.Purpose{keys.Channel, keys.Password, keys.Pepper} { // which do not seal
			if _, err := ring.Open(pair, where, sealed); !errors.Is(err, keys.ErrOpen) {
				t.Errorf("sealed for %s, opened for %s: %v", made, pair, err)
			}
		}
	}
}

// A wrapped key of which one bit has changed does not load: neither a customer's
// data key, nor any key of the key file.
func TestAWrappedKeyIsBoundToEveryBit(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-006.2")
	ring := keytest.New(t)
	_, wrapped, err := ring.NewDataKey()
	check.Must(t, err)
	_, err = ring.OpenDataKey(wrapped)
	check.Must(t, err)
	for i := range 8 * len(wrapped) {
		changed := bytes.Clone(wrapped)
		changed[i/8] ^= 1 << (i % 8)
		if _, err := ring.OpenDataKey(changed); !errors.Is(err, keys.ErrOpen) {
			t.Errorf("bit %d of a data key changed: %v", i, err)
		}
	}
	file := newFile(t)
	raw, err := os.ReadFile(file)
	check.Must(t, err)
	var content struct {
		Secrets map[string][][]byte `json:"secrets"`
		MACs    map[string][][]byte `json:"macs"`
		Pairs   map[string][]byte   `json:"pairs"`
		Root    []byte              `json:"root"`
		Cert    []byte              `json:"certificate"`
	}
	check.Must(t, json.Unmarshal(raw, &content))
	stored := [][]byte{content.Pairs["channel"], content.Pairs["password"]}
	for _, lists := range []map[string][][]byte{content.Secrets, content.MACs} {
		for _, list := range lists {
			stored = append(stored, list...)
		}
	}
	if len(stored) < 12 {
		t.Fatalf("only %d keys are in the file", len(stored))
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	for n, key := range stored {
		for i := n % 3; i < 8*len(key); i += 3 { // every third bit of each: over all keys, every place
			key[i/8] ^= 1 << (i % 8)
			changed := check.JSON(t, content)
			check.Must(t, os.WriteFile(path, changed, 0o600))
			if _, err := keys.Open(t.Context(), keys.Config{File: path}, keys.All()...); err == nil {
				t.Errorf("bit %d of key %d changed, and the file opens", i, n)
			}
			key[i/8] ^= 1 << (i % 8)
		}
	}
	changed := check.JSON(t, content)
	check.Must(t, os.WriteFile(path, changed, 0o600))
	_, err = keys.Open(t.Context(), keys.Config{File: path}, keys.All()...)
	check.Must(t, err)
}

// Another implementation of SM4 and SM3 opens a stored text and verifies its MAC. It
// knows only the keys of the file.
func TestStoredTextsByAnotherImplementation(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-012.3")
	file := newFile(t)
	raw, err := os.ReadFile(file)
	check.Must(t, err)
	var content struct {
		Root    []byte              `json:"root"`
		Secrets map[string][][]byte `json:"secrets"`
	}
	check.Must(t, json.Unmarshal(raw, &content))
	theirs := func(key, sealed, aad []byte) []byte {
		t.Helper()
		block, err := sm4.NewCipher(key)
		check.Must(t, err)
		gcm, err := cipher.NewGCM(block)
		check.Must(t, err)
		text, err := gcm.Open(nil, sealed[:12], sealed[12:], aad)
		check.Must(t, err)
		return text
	}
	storage := theirs(content.Root, content.Secrets["storage"][0], []byte("storage"))
	ring, err := keys.Open(t.Context(), keys.Config{File: file}, keys.All()...)
	check.Must(t, err)
	key, wrapped, err := ring.NewDataKey()
	check.Must(t, err)
	name, err := key.Seal([]byte("customer.name_ct.7"), []byte("王小明"))
	check.Must(t, err)
	number, err := ring.Seal(keys.Storage, []byte("account.no_ct.7"), []byte("6228480000000010001"))
	check.Must(t, err)
	const suite = 3                    // the bytes ahead of a sealed text, which name suite and key
	place := func(aad string) []byte { // the key of a place
		h := hmac.New(sm3.New, storage[:16])
		h.Write(append([]byte{0, 0, 0, byte(len(aad))}, aad...))
		return h.Sum(nil)[:16]
	}
	dataKey := theirs(place("data-key"), wrapped[suite:], []byte("data-key"))
	if got := theirs(dataKey, name[suite:], []byte("customer.name_ct.7")); string(got) != "王小明" {
		t.Errorf("the name opens as %q", got)
	}
	if got := theirs(place("account.no_ct.7"), number[suite:], []byte("account.no_ct.7")); string(got) != "6228480000000010001" {
		t.Errorf("the number opens as %q", got)
	}
	old := sealedBefore(t, number[1:suite], storage[:16], []byte("account.no_ct.7"), []byte("6228480000000010002"))
	if got, err := ring.Open(keys.Storage, []byte("account.no_ct.7"), old); err != nil || string(got) != "6228480000000010002" {
		t.Errorf("a text of before the keys of places opens as %q, %v", got, err)
	}
	ledger := theirs(content.Root, content.Secrets["ledger"][0], []byte("ledger"))
	sum, _ := ring.MAC(keys.Ledger, []byte("posting"), []byte("100"))
	h := hmac.New(sm3.New, ledger[16:])
	h.Write([]byte("\x00\x00\x00\x07posting\x00\x00\x00\x03100"))
	if !bytes.Equal(sum, h.Sum(nil)) {
		t.Errorf("the MAC is %x, theirs %x", sum, h.Sum(nil))
	}
}

// sealedBefore seals as earlier releases did: under the key of the purpose itself.
func sealedBefore(t *testing.T, id, key, aad, text []byte) []byte {
	t.Helper()
	block, err := sm4.NewCipher(key)
	check.Must(t, err)
	gcm, err := cipher.NewGCM(block)
	check.Must(t, err)
	nonce := []byte("twelve bytes")
	return slices.Concat([]byte{1}, id, nonce, gcm.Seal(nil, nonce, text, aad))
}
