package sm_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

var bigOne = big.NewInt(1)

// libraryAuthority is a root of the library, and lists of it.
func libraryAuthority(t *testing.T) (root *smx509.Certificate, list func(change func(*smx509.RevocationList)) []byte) {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	check.Must(t, err)
	template := &smx509.Certificate{
		RawSubject: subject(t, "root"), SerialNumber: bigOne, NotBefore: noon, NotAfter: noon.Add(24 * time.Hour),
		KeyUsage: smx509.KeyUsageCertSign | smx509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := smx509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check.Must(t, err)
	root, err = smx509.ParseCertificate(der)
	check.Must(t, err)
	return root, func(change func(*smx509.RevocationList)) []byte {
		l := &smx509.RevocationList{
			Number: bigOne, ThisUpdate: noon, NextUpdate: noon.Add(time.Hour),
			RevokedCertificateEntries: []smx509.RevocationListEntry{{SerialNumber: big.NewInt(0xabc), RevocationTime: noon}},
		}
		change(l)
		der, err := smx509.CreateRevocationList(rand.Reader, l, root, key)
		check.Must(t, err)
		return der
	}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func trusting(t *testing.T, pem []byte) sm.Roots {
	t.Helper()
	roots, err := sm.ParseRoots(pem)
	check.Must(t, err)
	return roots
}

// A list of an authority below a root names what it has revoked, until it ends.
func TestRevocationLists(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	root := authority(t, nil, "root", 10*day)
	below, foreign := authority(t, root, "below", 10*day), authority(t, nil, "below", 10*day)
	roots, between := trusting(t, root.PEM()), [][]byte{root.DER()}
	good, err := below.Revoke([]string{"1f", "abc"}, 7, noon, time.Hour)
	check.Must(t, err)
	empty, err := below.Revoke(nil, 8, noon, time.Hour)
	check.Must(t, err)
	theirs, err := foreign.Revoke(nil, 1, noon, time.Hour)
	check.Must(t, err)
	customer := certified(t, below, noon, day)
	list, err := roots.Revocations(good, below.DER(), nil, noon.Add(time.Hour-time.Second))
	check.Must(t, err)
	if diff := cmp.Diff([]string{"1f", "abc"}, list.Serials()); diff != "" || !bytes.Equal(list.DER(), good) {
		t.Errorf("serials (-want +got):\n%s", diff)
	}
	if !list.Made().Equal(noon) || !list.Until().Equal(noon.Add(time.Hour)) {
		t.Errorf("from %v until %v", list.Made(), list.Until())
	}
	if list, err = roots.Revocations(empty, below.DER(), between, noon); err != nil || len(list.Serials()) != 0 {
		t.Errorf("an empty list: %v, %v", list.Serials(), err)
	}
	for name, tt := range map[string]struct {
		list, by []byte
		at       time.Time
	}{
		"at its end": {good, below.DER(), noon.Add(time.Hour)}, "a changed signature": {check.Flip(good, -1), below.DER(), noon},
		"a changed serial":   {check.Flip(good, bytes.Index(good, []byte{2, 1, 0x1f})+2), below.DER(), noon},
		"of another":         {good, root.DER(), noon},
		"of the same name":   {theirs, below.DER(), noon},
		"foreign":            {theirs, foreign.DER(), noon},
		"by a customer":      {good, customer.DER(), noon},
		"more text after it": {append(slices.Clone(good), 0), below.DER(), noon},
		"no list":            {below.DER(), below.DER(), noon}, "no authority": {good, good, noon}, "nothing": {nil, nil, noon},
	} {
		if _, err := roots.Revocations(tt.list, tt.by, nil, tt.at); !errors.Is(err, sm.ErrRevocations) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (sm.Roots{}).Revocations(good, below.DER(), nil, noon); !errors.Is(err, sm.ErrRevocations) {
		t.Errorf("no roots: %v", err)
	}
	if _, err := below.Revoke([]string{"x"}, 1, noon, time.Hour); !errors.Is(err, sm.ErrRevocations) {
		t.Errorf("a serial that is no number: %v", err)
	}
}

// A list that names only a part of what is revoked, or what others have revoked, is not taken.
func TestPartsOfListsAreNotTaken(t *testing.T) {
	t.Parallel()
	root, list := libraryAuthority(t)
	roots := trusting(t, pemOf(root.Raw))
	got, err := roots.Revocations(list(func(*smx509.RevocationList) {}), root.Raw, nil, noon)
	if err != nil || !slices.Equal(got.Serials(), []string{"abc"}) {
		t.Fatalf("a list of the library: %v, %v", got.Serials(), err)
	}
	critical := []pkix.Extension{{Id: []int{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}
	for name, change := range map[string]func(*smx509.RevocationList){
		"a part":         func(l *smx509.RevocationList) { l.ExtraExtensions = critical },
		"what others":    func(l *smx509.RevocationList) { l.RevokedCertificateEntries[0].ExtraExtensions = critical },
		"that has ended": func(l *smx509.RevocationList) { l.ThisUpdate, l.NextUpdate = noon.Add(-time.Hour), noon },
	} {
		if _, err := roots.Revocations(list(change), root.Raw, nil, noon); !errors.Is(err, sm.ErrRevocations) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One known list is good. Any other that is taken is a forgery.
func FuzzRevocations(f *testing.F) {
	root, err := sm.NewAuthority("root", noon, time.Hour)
	check.Must(f, err)
	roots, err := sm.ParseRoots(root.PEM())
	check.Must(f, err)
	good, err := root.Revoke([]string{"1f"}, 1, noon, time.Hour)
	check.Must(f, err)
	f.Add(good)
	f.Add(root.DER())
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := roots.Revocations(text, root.DER(), nil, noon); err == nil && !bytes.Equal(text, good) {
			t.Errorf("%x is a forgery", text)
		}
	})
}
