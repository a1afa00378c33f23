package keys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/req"
)

// A key serves the purpose that it is labelled with: what one purpose sealed or
// authenticated, no other opens or accepts.
func TestAKeyServesItsPurposeOnly(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-008.1")
	ring, text, where := newRing(t), []byte("text"), []byte("table.column.7")
	purposes := []keys.Purpose{
		keys.Storage, keys.BlindIndex, keys.OTP, keys.Session, keys.Audit, keys.Ledger, keys.Event, keys.Partner,
	}
	for _, made := range purposes {
		sealed, err := ring.Seal(made, where, text)
		must(t, err)
		sum, id := ring.MAC(made, text)
		for _, used := range purposes {
			got, err := ring.Open(used, where, sealed)
			if used == made && (err != nil || !bytes.Equal(got, text)) || used != made && (!errors.Is(err, keys.ErrOpen) || got != nil) {
				t.Errorf("sealed for %s, opened for %s: %q, %v", made, used, got, err)
			}
			if err := ring.CheckMAC(used, id, sum, text); (err == nil) != (used == made) {
				t.Errorf("authenticated for %s, checked for %s: %v", made, used, err)
			}
		}
		for _, pair := range []keys.Purpose{keys.Channel, keys.Password} { // which sign and decrypt, and do not seal
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
	ring := newRing(t)
	_, wrapped, err := ring.NewDataKey()
	must(t, err)
	_, err = ring.OpenDataKey(wrapped)
	must(t, err)
	for i := range 8 * len(wrapped) {
		changed := bytes.Clone(wrapped)
		changed[i/8] ^= 1 << (i % 8)
		if _, err := ring.OpenDataKey(changed); !errors.Is(err, keys.ErrOpen) {
			t.Errorf("bit %d of a data key changed: %v", i, err)
		}
	}
	file := newFile(t)
	raw, err := os.ReadFile(file)
	must(t, err)
	var content struct {
		Secrets map[string][][]byte `json:"secrets"`
		Pairs   map[string][]byte   `json:"pairs"`
		Root    []byte              `json:"root"`
		Cert    []byte              `json:"certificate"`
	}
	must(t, json.Unmarshal(raw, &content))
	stored := [][]byte{content.Pairs["channel"], content.Pairs["password"]}
	for _, list := range content.Secrets {
		stored = append(stored, list...)
	}
	if len(stored) < 10 {
		t.Fatalf("only %d keys are in the file", len(stored))
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	for n, key := range stored {
		for i := n % 3; i < 8*len(key); i += 3 { // every third bit of each: over all keys, every place
			key[i/8] ^= 1 << (i % 8)
			changed, err := json.Marshal(content)
			must(t, err)
			must(t, os.WriteFile(path, changed, 0o600))
			if _, err := keys.Open(t.Context(), keys.Config{File: path}); err == nil {
				t.Errorf("bit %d of key %d changed, and the file opens", i, n)
			}
			key[i/8] ^= 1 << (i % 8)
		}
	}
	changed, err := json.Marshal(content)
	must(t, err)
	must(t, os.WriteFile(path, changed, 0o600))
	_, err = keys.Open(t.Context(), keys.Config{File: path})
	must(t, err)
}
