package keys_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// symmetric are the purposes that seal and authenticate.
var symmetric = []keys.Purpose{
	keys.Storage, keys.BlindIndex, keys.OTP, keys.Session, keys.Audit, keys.Ledger, keys.Event, keys.Partner, keys.Credential,
}

var (
	place = keys.AAD("customer", "name_ct", "7")
	plain = []byte("王小明")
)

func TestSealedOpensInItsPlaceOnly(t *testing.T) {
	t.Parallel()
	ring, other := keytest.New(t), keytest.New(t)
	sealed, err := ring.Seal(keys.Storage, place, plain)
	check.Must(t, err)
	if got, err := ring.Open(keys.Storage, place, sealed); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("opened %q, %v", got, err)
	}
	refused := func(what string, ring *keys.Ring, p keys.Purpose, aad, sealed []byte) {
		t.Helper()
		if got, err := ring.Open(p, aad, sealed); !errors.Is(err, keys.ErrOpen) || got != nil {
			t.Errorf("%s: %q, %v; want nothing and ErrOpen", what, got, err)
		}
	}
	refused("another table", ring, keys.Storage, keys.AAD("account", "name_ct", "7"), sealed)
	refused("another column", ring, keys.Storage, keys.AAD("customer", "phone_ct", "7"), sealed)
	refused("another row", ring, keys.Storage, keys.AAD("customer", "name_ct", "8"), sealed)
	refused("no place", ring, keys.Storage, nil, sealed)
	refused("another ring", other, keys.Storage, place, sealed)
	refused("a purpose without keys to seal", ring, keys.Channel, place, sealed)
	for _, p := range symmetric {
		if p != keys.Storage {
			refused(string(p), ring, p, place, sealed)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1 // the first bytes are suite and key id
		refused("changed", ring, keys.Storage, place, changed)
		refused("cut", ring, keys.Storage, place, sealed[:i])
	}
	refused("longer", ring, keys.Storage, place, append(bytes.Clone(sealed), 0))
}

func TestMACsAreOfTheirPurpose(t *testing.T) {
	t.Parallel()
	ring, parts := keytest.New(t), [][]byte{[]byte("balance"), []byte("100")}
	seen := map[string]keys.Purpose{}
	for _, p := range symmetric {
		sum, id := ring.MAC(p, parts...)
		if before, ok := seen[string(sum)]; ok {
			t.Errorf("%s and %s have the same key", before, p)
		}
		seen[string(sum)] = p
		check.Must(t, ring.VerifyMAC(p, id, sum, parts...))
		for _, q := range symmetric {
			if err := ring.VerifyMAC(q, id, sum, parts...); (err == nil) != (p == q) {
				t.Errorf("the MAC of %s for %s: %v", p, q, err)
			}
		}
	}
}

func TestMACRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	sum, id := ring.MAC(keys.Ledger, []byte("100"), []byte("200"))
	for name, err := range map[string]error{
		"another part":      ring.VerifyMAC(keys.Ledger, id, sum, []byte("100"), []byte("201")),
		"parts cut anew":    ring.VerifyMAC(keys.Ledger, id, sum, []byte("100200")),
		"a part fewer":      ring.VerifyMAC(keys.Ledger, id, sum, []byte("100")),
		"changed":           ring.VerifyMAC(keys.Ledger, id, append([]byte{sum[0] ^ 1}, sum[1:]...), []byte("100"), []byte("200")),
		"cut":               ring.VerifyMAC(keys.Ledger, id, sum[:31], []byte("100"), []byte("200")),
		"nothing":           ring.VerifyMAC(keys.Ledger, id, nil, []byte("100"), []byte("200")),
		"unknown key":       ring.VerifyMAC(keys.Ledger, "ledger/2", sum, []byte("100"), []byte("200")),
		"no key":            ring.VerifyMAC(keys.Ledger, "", sum, []byte("100"), []byte("200")),
		"another's key id":  ring.VerifyMAC(keys.Ledger, "audit/1", sum, []byte("100"), []byte("200")),
		"another ring":      keytest.New(t).VerifyMAC(keys.Ledger, id, sum, []byte("100"), []byte("200")),
		"a purpose without": ring.VerifyMAC(keys.Channel, id, sum, []byte("100"), []byte("200")),
	} {
		if !errors.Is(err, keys.ErrMAC) {
			t.Errorf("%s: %v, want ErrMAC", name, err)
		}
	}
}

func TestBlindIndex(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	index := ring.BlindIndex("phone", "13800010001")
	if !bytes.Equal(index, ring.BlindIndex("phone", "13800010001")) {
		t.Error("equal values have different indexes")
	}
	for name, other := range map[string][]byte{
		"another value":   ring.BlindIndex("phone", "13800010002"),
		"another field":   ring.BlindIndex("id_no", "13800010001"),
		"the cut moved":   ring.BlindIndex("phone1", "3800010001"),
		"another ring":    keytest.New(t).BlindIndex("phone", "13800010001"),
		"the value alone": ring.BlindIndex("", "phone13800010001"),
	} {
		if bytes.Equal(index, other) {
			t.Errorf("%s has the same index", name)
		}
	}
}

func TestDeriveIsOfItsPurposeAndParts(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	key := ring.Derive(keys.OTP, time.Time{}, []byte("nonce"), []byte("binding"))
	if len(key) != 16 || !bytes.Equal(key, ring.Derive(keys.OTP, time.Time{}, []byte("nonce"), []byte("binding"))) {
		t.Errorf("%x", key)
	}
	for _, other := range [][]byte{
		ring.Derive(keys.Session, time.Time{}, []byte("nonce"), []byte("binding")),
		ring.Derive(keys.OTP, time.Time{}, []byte("noncebinding")),
		ring.Derive(keys.OTP, time.Time{}, []byte("binding"), []byte("nonce")),
		keytest.New(t).Derive(keys.OTP, time.Time{}, []byte("nonce"), []byte("binding")),
	} {
		if bytes.Equal(key, other) {
			t.Errorf("%x came from other parts, purpose or ring", key)
		}
	}
}

func TestDataKeys(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	key, wrapped, err := ring.NewDataKey()
	check.Must(t, err)
	sealed, err := key.Seal(place, plain)
	check.Must(t, err)
	again, err := ring.OpenDataKey(wrapped)
	check.Must(t, err)
	if got, err := again.Open(place, sealed); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("opened %q, %v", got, err)
	}
	other, otherWrapped, err := ring.NewDataKey()
	check.Must(t, err)
	if bytes.Equal(wrapped, otherWrapped) {
		t.Error("two data keys are one")
	}
	for name, open := range map[string]func() ([]byte, error){
		"another customer's key": func() ([]byte, error) { return other.Open(place, sealed) },
		"another place":          func() ([]byte, error) { return again.Open(keys.AAD("customer", "name_ct", "8"), sealed) },
		"the ring itself":        func() ([]byte, error) { return ring.Open(keys.Storage, place, sealed) },
		"cut to nothing":         func() ([]byte, error) { return again.Open(place, sealed[:2]) },
		"another suite":          func() ([]byte, error) { return again.Open(place, append([]byte{2}, sealed[1:]...)) },
	} {
		if got, err := open(); !errors.Is(err, keys.ErrOpen) || got != nil {
			t.Errorf("%s: %q, %v; want nothing and ErrOpen", name, got, err)
		}
	}
}

func TestWrappedDataKeysAreBound(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	_, wrapped, err := ring.NewDataKey()
	check.Must(t, err)
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 1
		if _, err := ring.OpenDataKey(changed); !errors.Is(err, keys.ErrOpen) {
			t.Errorf("byte %d changed: %v, want ErrOpen", i, err)
		}
	}
	if _, err := keytest.New(t).OpenDataKey(wrapped); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("another ring: %v, want ErrOpen", err)
	}
	field, err := ring.Seal(keys.Storage, place, make([]byte, 16)) // a field may be as long as a key
	check.Must(t, err)
	if _, err := ring.OpenDataKey(field); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("a field for a key: %v, want ErrOpen", err)
	}
	short, err := ring.Seal(keys.Storage, []byte("data-key"), make([]byte, 15))
	check.Must(t, err)
	if _, err := ring.OpenDataKey(short); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("a short key: %v, want ErrOpen", err)
	}
}

// Errors go to logs: they name no key and no text.
func TestErrorsTellNothing(t *testing.T) {
	t.Parallel()
	_, err := keytest.New(t).Open(keys.Storage, place, plain)
	if err == nil || strings.Contains(err.Error(), "customer") || strings.Contains(err.Error(), "王") {
		t.Errorf("%v", err)
	}
}
