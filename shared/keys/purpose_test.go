package keys_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// uses are all methods of a ring, each with what it returned or panicked with.
func uses(t testing.TB, r *keys.Ring, p keys.Purpose) map[string]error {
	t.Helper()
	_, signErr := r.Sign(p, plain)
	_, decryptErr := r.Decrypt(p, plain)
	_, sealErr := r.Seal(p, place, plain)
	_, openErr := r.Open(p, place, plain)
	_, sumKeyErr := r.SumKey(p)
	_, sumErr := r.Sum(p, string(p)+"/1", plain)
	return map[string]error{
		"Sign": signErr, "Decrypt": decryptErr, "Seal": sealErr, "Open": openErr, "SumKey": sumKeyErr, "Sum": sumErr,
		"VerifyMAC": r.VerifyMAC(p, string(p)+"/1", plain, plain),
		"MAC":       panicOf(func() { r.MAC(p, plain) }),
		"Derive":    panicOf(func() { r.Derive(p, time.Time{}, plain) }),
		"Public":    panicOf(func() { r.Public(p) }),
		"Only":      panicOf(func() { r.Only(p) }),
	}
}

func panicOf(use func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err, _ = r.(error)
		}
	}()
	use()
	return nil
}

// wantPurpose fails the test unless the error is ErrPurpose and names the purpose.
func wantPurpose(t testing.TB, what string, p keys.Purpose, err error) {
	t.Helper()
	if !errors.Is(err, keys.ErrPurpose) || !strings.Contains(err.Error(), string(p)) {
		t.Errorf("%s for %s: %v, want ErrPurpose that names it", what, p, err)
	}
}

// A ring without a purpose refuses every use of it, whether it was opened from the
// file without it or is a view without it.
func TestPurposesThatWereNotDeclared(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	all := open(t, file)
	for _, p := range keys.All() {
		rest := slices.DeleteFunc(keys.All(), func(q keys.Purpose) bool { return q == p })
		opened, err := keys.Open(t.Context(), keys.Config{File: file}, rest...)
		check.Must(t, err)
		for _, ring := range []*keys.Ring{opened, all.Only(rest...), all.Only(rest...).Only(), {}} {
			for use, err := range uses(t, ring, p) {
				wantPurpose(t, use, p, err)
			}
		}
	}
	none := all.Only()
	_, _, err := none.NewDataKey()
	wantPurpose(t, "NewDataKey", keys.Storage, err)
	_, err = none.OpenDataKey(plain)
	wantPurpose(t, "OpenDataKey", keys.Storage, err)
	wantPurpose(t, "BlindIndex", keys.BlindIndex, panicOf(func() { none.BlindIndex("phone", "13800010001") }))
	wantPurpose(t, "Certificate", keys.Channel, panicOf(func() { none.Certificate() }))
}

// A key that signs does not decrypt, and a pair neither seals nor makes MACs.
func TestPurposesForAnotherUse(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	may := map[keys.Purpose][]string{
		keys.Channel: {"Sign", "Public"}, keys.Password: {"Decrypt", "Public"}, keys.Pepper: {"SumKey", "Sum"},
	}
	for _, p := range keys.All() {
		for use, err := range uses(t, ring, p) {
			switch allowed := may[p]; {
			case use == "Only" || use == "Open" || use == "VerifyMAC": // Open and VerifyMAC have tests of their own
			case allowed != nil && !slices.Contains(allowed, use),
				allowed == nil && slices.Contains([]string{"Sign", "Decrypt", "Public", "SumKey", "Sum"}, use):
				wantPurpose(t, use, p, err)
			case errors.Is(err, keys.ErrPurpose):
				t.Errorf("%s for %s: %v", use, p, err)
			}
		}
	}
}

// A view has the same keys, and what it was made from keeps its own.
func TestOnlyIsAViewOfTheSameKeys(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	view := ring.Only(keys.Ledger, keys.Channel)
	sum, id := view.MAC(keys.Ledger, plain)
	check.Must(t, ring.VerifyMAC(keys.Ledger, id, sum, plain))
	if !view.Public(keys.Channel).Equal(ring.Public(keys.Channel)) || !bytes.Equal(view.Certificate(), ring.Certificate()) {
		t.Error("the view has another channel key")
	}
	wantPurpose(t, "Only of the view", keys.Event, panicOf(func() { view.Only(keys.Ledger, keys.Event) }))
	_, err := ring.Seal(keys.Storage, place, plain)
	check.Must(t, err)
}

func TestNoSuchPurpose(t *testing.T) {
	t.Parallel()
	_, err := keys.Open(t.Context(), keys.Config{File: newFile(t)}, keys.Ledger, "lottery")
	if err == nil || !strings.Contains(err.Error(), "lottery") {
		t.Errorf("%v, want an error that names the purpose", err)
	}
}

// Only what is opened is unwrapped: a process starts though keys that it did not
// declare are damaged.
func TestOpenUnwrapsDeclaredPurposesOnly(t *testing.T) {
	t.Parallel()
	c := keytest.ReadFile(t, newFile(t))
	for p, list := range c.Secrets {
		if p != keys.Ledger {
			c.Secrets[p] = [][]byte{check.Flip(list[0], len(list[0])/2)}
		}
	}
	c.Pairs, c.MACs, c.Certificate = nil, nil, nil
	file := c.Write(t)
	ring, err := keys.Open(t.Context(), keys.Config{File: file}, keys.Ledger)
	check.Must(t, err)
	ring.MAC(keys.Ledger, plain)
	for _, p := range keys.All() {
		if _, err := keys.Open(t.Context(), keys.Config{File: file}, keys.Ledger, p); (err == nil) != (p == keys.Ledger) {
			t.Errorf("%s opens with %v", p, err)
		}
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	signature, err := ring.Sign(keys.Channel, plain)
	check.Must(t, err)
	check.Must(t, sm.Verify(ring.Public(keys.Channel), plain, signature))
	if err := sm.Verify(ring.Public(keys.Password), plain, signature); err == nil {
		t.Error("the password key has signed")
	}
	if _, err := ring.Sign(keys.Channel, nil); !errors.Is(err, sm.ErrEmpty) {
		t.Errorf("nothing to sign: %v, want ErrEmpty", err)
	}
}

func TestDecrypt(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	sealed, err := sm.Encrypt(ring.Public(keys.Password), plain)
	check.Must(t, err)
	if got, err := ring.Decrypt(keys.Password, sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened %q, %v", got, err)
	}
	elsewhere, err := sm.Encrypt(ring.Public(keys.Channel), plain)
	check.Must(t, err)
	for name, text := range map[string][]byte{
		"to another key": elsewhere, "changed": check.Flip(sealed, len(sealed)/2), "cut": sealed[:len(sealed)-1],
		"missing": nil, "clear": plain,
	} {
		if got, err := ring.Decrypt(keys.Password, text); !errors.Is(err, keys.ErrOpen) || got != nil {
			t.Errorf("%s: %q, %v; want nothing and ErrOpen", name, got, err)
		}
	}
}
