package sm_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// One secret and one label give one key. Another of either gives another key, and the key signs.
func TestAKeyPairIsDerived(t *testing.T) {
	t.Parallel()
	secret, err := sm.NewSecret(sm.HMACSM3, 32)
	check.Must(t, err)
	other, err := sm.NewSecret(sm.HMACSM3, 32)
	check.Must(t, err)
	seen := map[string]bool{}
	for _, tt := range []struct {
		secret []byte
		label  string
	}{{secret, "one"}, {secret, "two"}, {other, "one"}} {
		key, err := sm.DeriveKey(tt.secret, tt.label)
		check.Must(t, err)
		again, err := sm.DeriveKey(bytes.Clone(tt.secret), tt.label)
		check.Must(t, err)
		signature, err := sm.Sign(key, []byte("text"))
		check.Must(t, err)
		check.Must(t, sm.Verify(again.Public(), []byte("text"), signature))
		der, err := key.Public().Marshal()
		check.Must(t, err)
		seen[string(der)] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d keys of 3", len(seen))
	}
	for _, short := range [][]byte{nil, secret[:31], append(secret, 0)} {
		if _, err := sm.DeriveKey(short, "one"); !errors.Is(err, sm.ErrKey) {
			t.Errorf("from %d bytes: %v", len(short), err)
		}
	}
}
