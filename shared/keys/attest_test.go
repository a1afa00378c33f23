package keys_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// A ring knows its own certificates, also those of another process with the same keys, and no other certificate.
func TestARingKnowsItsAttesters(t *testing.T) {
	t.Parallel()
	ring, other := keytest.New(t), keytest.New(t)
	at := time.Date(2026, 11, 27, 10, 0, 0, 1, time.UTC)
	by, err := ring.Attester(at)
	check.Must(t, err)
	again, err := ring.Only(keys.Evidence).Attester(at.Add(time.Hour))
	check.Must(t, err)
	for _, certificate := range [][]byte{by.Certificate, again.Certificate} {
		public, err := ring.AttestedBy(certificate, at.Add(2*time.Hour))
		check.Must(t, err)
		signature, err := by.Sign([]byte("a change"))
		check.Must(t, err)
		check.Must(t, sm.Verify(public, []byte("a change"), signature))
		if sm.Verify(public, []byte("another"), signature) == nil {
			t.Error("the signature holds over another text")
		}
	}
	if _, err := other.AttestedBy(by.Certificate, at.Add(time.Hour)); !errors.Is(err, keys.ErrMAC) {
		t.Errorf("another bank: %v", err)
	}
	if _, err := ring.AttestedBy(by.Certificate, at.Add(-time.Hour)); !errors.Is(err, keys.ErrMAC) {
		t.Errorf("before the certificate: %v", err)
	}
	if _, err := ring.AttestedBy(ring.Certificate(), at); !errors.Is(err, keys.ErrMAC) {
		t.Errorf("the certificate of the channel: %v", err)
	}
	if _, err := ring.AttestedBy([]byte("x"), at); !errors.Is(err, keys.ErrMAC) {
		t.Errorf("no certificate: %v", err)
	}
	none := ring.Only(keys.Ledger)
	if _, err := none.Attester(at); !errors.Is(err, keys.ErrPurpose) {
		t.Errorf("without the purpose: %v", err)
	}
	if _, err := none.AttestedBy(by.Certificate, at); !errors.Is(err, keys.ErrPurpose) {
		t.Errorf("without the purpose: %v", err)
	}
}
