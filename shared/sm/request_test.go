package sm_test

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

func subject(t testing.TB, name string) []byte {
	t.Helper()
	der, err := sm.Subject("customer", name)
	check.Must(t, err)
	return der
}

// Requests of the library's CFCA form, with a challenge and a temporary key, and of its plain
// form are read; and the library reads the module's requests.
func TestRequestsAgreeWithTheLibrary(t *testing.T) {
	t.Parallel()
	key, err := sm2.GenerateKey(rand.Reader)
	check.Must(t, err)
	temporary, err := sm2.GenerateKey(rand.Reader)
	check.Must(t, err)
	template := &smx509.CertificateRequest{RawSubject: subject(t, "wang"), SignatureAlgorithm: smx509.SM2WithSM3}
	plain, err := smx509.CreateCertificateRequest(rand.Reader, template, key)
	check.Must(t, err)
	cfca, err := smx509.CreateCFCACertificateRequest(rand.Reader, template, key, &temporary.PublicKey, "111111")
	check.Must(t, err)
	public, err := smx509.MarshalPKIXPublicKey(&key.PublicKey)
	check.Must(t, err)
	for name, der := range map[string][]byte{"plain": plain, "CFCA": cfca} {
		r, err := sm.ParseRequest(der)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := r.Key.Marshal()
		if err != nil || !bytes.Equal(got, public) || !bytes.Equal(r.Subject, template.RawSubject) {
			t.Errorf("%s: key %x, subject %x, %v", name, got, r.Subject, err)
		}
	}
	own, err := sm.NewRequest(keytest.PrivateKey(t), template.RawSubject)
	check.Must(t, err)
	read, err := smx509.ParseCertificateRequest(own)
	check.Must(t, err)
	check.Must(t, read.CheckSignature())
	if !bytes.Equal(read.RawSubject, template.RawSubject) {
		t.Errorf("the library reads the subject %x", read.RawSubject)
	}
}

// A point beside the curve is ErrKey, and another signature ErrSignature: the two checks do
// not stand in for each other.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-022.1")
	key := keytest.PrivateKey(t)
	good, err := sm.NewRequest(key, subject(t, "wang"))
	check.Must(t, err)
	public, err := key.Public().Marshal()
	check.Must(t, err)
	at := bytes.Index(good, public)
	if at < 0 {
		t.Fatal("the request does not hold the key")
	}
	last := at + len(public) - 1
	signedWithSM3 := []byte{0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75}
	otherAlgorithm := []byte{0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x76}
	for name, tt := range map[string]struct {
		der  []byte
		want error
	}{
		"a point beside the curve":      {check.Flip(good, last), sm.ErrKey},
		"zero in place of the point":    {zeroed(good, last-63, last+1), sm.ErrKey},
		"another changed subject":       {check.Flip(good, bytes.Index(good, []byte("wang"))), sm.ErrSignature},
		"a changed signature":           {check.Flip(good, len(good)-1), sm.ErrSignature},
		"another algorithm":             {bytes.Replace(good, signedWithSM3, otherAlgorithm, 1), sm.ErrRequest},
		"more text after it":            {append(slices.Clone(good), 0), sm.ErrRequest},
		"a part":                        {good[:len(good)-1], sm.ErrRequest},
		"nothing":                       {nil, sm.ErrRequest},
		"the public key in place of it": {public, sm.ErrRequest},
	} {
		if got, err := sm.ParseRequest(tt.der); !errors.Is(err, tt.want) || got.Key != nil {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func zeroed(text []byte, from, to int) []byte {
	other := slices.Clone(text)
	clear(other[from:to])
	return other
}

// certified is a customer's certificate of an authority, and the authorities between it and
// the root.
func certified(t *testing.T, by *sm.Authority, from time.Time, life time.Duration) *sm.Certificate {
	t.Helper()
	der, err := sm.NewRequest(keytest.PrivateKey(t), subject(t, "wang"))
	check.Must(t, err)
	request, err := sm.ParseRequest(der)
	check.Must(t, err)
	issued, err := by.Issue(request, from, life)
	check.Must(t, err)
	c, err := sm.ParseCertificate(issued)
	check.Must(t, err)
	return c
}

func authority(t *testing.T, above *sm.Authority, name string, life time.Duration) *sm.Authority {
	t.Helper()
	made, err := above.Subordinate(name, noon, life)
	check.Must(t, err)
	return made
}

func TestRootsTrustOnlyTheirChains(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	root := authority(t, nil, "root", 10*year)
	below, foreign := authority(t, root, "below", 5*year), authority(t, nil, "below", 5*year)
	roots, err := sm.ParseRoots(append([]byte("\n"), root.PEM()...))
	check.Must(t, err)
	good := certified(t, below, noon, year)
	between := [][]byte{below.DER()}
	self, err := sm.SelfSigned(keytest.PrivateKey(t), "wang", noon, year)
	check.Must(t, err)
	selfSigned, err := sm.ParseCertificate(self)
	check.Must(t, err)
	ofAuthority, err := sm.ParseCertificate(below.DER())
	check.Must(t, err)
	broken, err := sm.ParseCertificate(check.Flip(good.DER(), len(good.DER())-1))
	check.Must(t, err)
	for name, tt := range map[string]struct {
		c       *sm.Certificate
		between [][]byte
		at      time.Time
		good    bool
	}{
		"good": {good, between, noon, true}, "at its end": {good, between, noon.Add(year), true},
		"expired": {good, between, noon.Add(year + time.Second), false}, "not yet": {good, between, noon.Add(-time.Second), false},
		"without the authority between": {good, nil, noon, false}, "a changed signature": {broken, between, noon, false},
		"foreign":                  {certified(t, foreign, noon, year), [][]byte{foreign.DER()}, noon, false},
		"foreign, another's chain": {certified(t, foreign, noon, year), between, noon, false},
		"below a customer":         {selfSigned, between, noon, false},
		"the authority's own":      {ofAuthority, nil, noon, false},
		"no certificate between":   {good, [][]byte{{1}}, noon, false},
	} {
		if err := roots.Check(tt.c, tt.between, tt.at); (err == nil) != tt.good || err != nil && !errors.Is(err, sm.ErrChain) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (sm.Roots{}).Check(good, between, noon); !errors.Is(err, sm.ErrChain) {
		t.Errorf("no roots: %v", err)
	}
	for name, text := range map[string]string{
		"nothing": "", "no PEM": "root", "another block": string(pem.EncodeToMemory(&pem.Block{Type: "KEY", Bytes: root.DER()})),
		"no certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})),
		"more after it":  string(root.PEM()) + "x",
	} {
		if _, err := sm.ParseRoots([]byte(text)); !errors.Is(err, sm.ErrKey) {
			t.Errorf("roots of %s: %v", name, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	key, _, public := samples(f)
	der, err := sm.NewRequest(key, subject(f, "wang"))
	check.Must(f, err)
	f.Add(der)
	f.Add(public)
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := sm.ParseRequest(text)
		if err != nil {
			return
		}
		if !r.Key.Equal(key.Public()) {
			return // somebody has signed another one
		}
		if !bytes.Equal(r.Subject, subject(t, "wang")) {
			t.Errorf("a request for %x is a forgery", r.Subject)
		}
	})
}
