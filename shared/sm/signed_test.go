package sm_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/emmansun/gmsm/pkcs7"
	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

var content = []byte("潮汐银行转账确认\n金额：人民币1.00元（壹元整）")

// holder is a key and its certificate.
func holder(t *testing.T) (*sm.PrivateKey, *sm.Certificate) {
	t.Helper()
	key := keytest.PrivateKey(t)
	der, err := authority(t, nil, "root", time.Hour).Issue(sm.Request{Subject: subject(t, "wang"), Key: key.Public()}, noon, time.Hour)
	check.Must(t, err)
	c, err := sm.ParseCertificate(der)
	check.Must(t, err)
	return key, c
}

// The module reads the library's messages, with the certificate and without it, and the library
// reads the module's.
func TestSignedDataAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	key, err := sm2.GenerateKey(rand.Reader)
	check.Must(t, err)
	template := &smx509.CertificateRequest{RawSubject: subject(t, "wang"), SignatureAlgorithm: smx509.SM2WithSM3}
	csr, err := smx509.CreateCertificateRequest(rand.Reader, template, key)
	check.Must(t, err)
	request, err := sm.ParseRequest(csr)
	check.Must(t, err)
	der, err := authority(t, nil, "root", time.Hour).Issue(request, noon, time.Hour)
	check.Must(t, err)
	theirs, err := smx509.ParseCertificate(der)
	check.Must(t, err)
	ours, err := sm.ParseCertificate(der)
	check.Must(t, err)
	for _, without := range []bool{false, true} {
		made, err := pkcs7.NewSMSignedData(content)
		check.Must(t, err)
		check.Must(t, made.SignWithoutAttr(theirs, key, pkcs7.SignerInfoConfig{SkipCertificates: without}))
		made.Detach()
		message, err := made.Finish()
		check.Must(t, err)
		s, err := sm.ParseSignedData(message)
		if err != nil {
			t.Fatalf("without the certificate %v: %v", without, err)
		}
		if err := s.Verify(ours, content); err != nil || s.Serial != ours.Serial() {
			t.Errorf("without the certificate %v: %v", without, err)
		}
	}
	private, c := holder(t)
	message, err := sm.NewSignedData(private, c, content)
	check.Must(t, err)
	read, err := pkcs7.Parse(message)
	check.Must(t, err)
	read.Content = content
	check.Must(t, read.Verify())
	read.Content = append(slices.Clone(content), ' ')
	if read.Verify() == nil {
		t.Error("the library takes another content")
	}
}

// Each byte of a message counts: with one changed, it is no message, or its signature does not
// hold.
func TestEachByteOfSignedDataCounts(t *testing.T) {
	t.Parallel()
	key, c := holder(t)
	good, err := sm.NewSignedData(key, c, content)
	check.Must(t, err)
	holds := func(message, content []byte) bool {
		s, err := sm.ParseSignedData(message)
		return err == nil && s.Verify(c, content) == nil
	}
	if !holds(good, content) {
		t.Fatal("the message does not hold")
	}
	for i := range good {
		if holds(check.Flip(good, i), content) {
			t.Errorf("byte %d of %d does not count", i, len(good))
		}
	}
	for i := range content {
		if holds(good, check.Flip(content, i)) {
			t.Errorf("byte %d of the content does not count", i)
		}
	}
}

// Messages with more in them, or of another kind, are not read.
func TestHostileSignedData(t *testing.T) {
	t.Parallel()
	key, err := sm2.GenerateKey(rand.Reader)
	check.Must(t, err)
	root := &smx509.Certificate{
		RawSubject: subject(t, "root"), SerialNumber: bigOne, NotBefore: noon, NotAfter: noon.Add(time.Hour), BasicConstraintsValid: true,
	}
	der, err := smx509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	check.Must(t, err)
	c, err := smx509.ParseCertificate(der)
	check.Must(t, err)
	made := func(change func(*pkcs7.SignedData), attributes, detached bool) []byte {
		t.Helper()
		s, err := pkcs7.NewSMSignedData(content)
		check.Must(t, err)
		sign := s.SignWithoutAttr
		if attributes {
			sign = s.AddSigner
		}
		check.Must(t, sign(c, key, pkcs7.SignerInfoConfig{}))
		change(s)
		if detached {
			s.Detach()
		}
		message, err := s.Finish()
		check.Must(t, err)
		return message
	}
	as := func(*pkcs7.SignedData) {}
	good := made(as, false, true)
	if _, err := sm.ParseSignedData(good); err != nil {
		t.Fatal(err)
	}
	for name, message := range map[string][]byte{
		"with its content": made(as, false, false), "with attributes": made(as, true, true),
		"with two signers": made(func(s *pkcs7.SignedData) {
			check.Must(t, s.SignWithoutAttr(c, key, pkcs7.SignerInfoConfig{SkipCertificates: true}))
		}, false, true),
		"with two certificates": made(func(s *pkcs7.SignedData) { s.AddCertificate(c) }, false, true),
		"of another version":    made(func(s *pkcs7.SignedData) { s.GetSignedData().Version = 2 }, false, true),
		"more text after it":    append(slices.Clone(good), 0), "a part": good[:len(good)-1], "nothing": nil, "a certificate": der,
	} {
		if _, err := sm.ParseSignedData(message); !errors.Is(err, sm.ErrSigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A message that holds has the one known signature. With another one it is a forgery.
func FuzzParseSignedData(f *testing.F) {
	key, _, public := samples(f)
	der, err := sm.SelfSigned(key, "wang", noon, time.Hour)
	check.Must(f, err)
	c, err := sm.ParseCertificate(der)
	check.Must(f, err)
	good, err := sm.NewSignedData(key, c, content)
	check.Must(f, err)
	f.Add(good)
	f.Add(public)
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := sm.ParseSignedData(text)
		if err == nil && s.Verify(c, content) == nil && !bytes.HasSuffix(text, good[len(good)-64:]) {
			t.Errorf("%x is a forgery", text)
		}
	})
}
