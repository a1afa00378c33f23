package sm_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestKeysKeepTheirForm(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	der, err := key.Marshal()
	check.Must(t, err)
	again, err := sm.ParsePrivateKey(der)
	check.Must(t, err)
	if der2, err := again.Marshal(); err != nil || !bytes.Equal(der, der2) {
		t.Errorf("private key: %x, %v; want %x", der2, err, der)
	}
	public, err := key.Public().Marshal()
	check.Must(t, err)
	parsed, err := sm.ParsePublicKey(public)
	check.Must(t, err)
	if !parsed.Equal(again.Public()) || parsed.Equal(newKey(t).Public()) {
		t.Error("Equal does not tell keys apart")
	}
	if public2, err := parsed.Marshal(); err != nil || !bytes.Equal(public, public2) {
		t.Errorf("public key: %x, %v; want %x", public2, err, public)
	}
}

func TestGeneratedKeysDiffer(t *testing.T) {
	t.Parallel()
	pairs, keys := map[string]bool{}, map[sm.Key]bool{}
	for range 500 {
		der, err := newKey(t).Marshal()
		check.Must(t, err)
		pairs[string(der)], keys[sm.NewKey()] = true, true
	}
	if len(pairs) != 500 || len(keys) != 500 {
		t.Errorf("of 500 keys each %d pairs and %d symmetric keys are different", len(pairs), len(keys))
	}
}

func otherPublicKeys(t *testing.T) map[string][]byte {
	t.Helper()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check.Must(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check.Must(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	check.Must(t, err)
	list := map[string][]byte{}
	for name, key := range map[string]any{"P-256": &p256.PublicKey, "RSA": &rsaKey.PublicKey, "Ed25519": edKey.Public()} {
		list[name], err = x509.MarshalPKIXPublicKey(key)
		check.Must(t, err)
	}
	return list
}

func TestHostilePublicKeys(t *testing.T) {
	t.Parallel()
	v := read(t, "standards.txt")
	x, y, p := v.hex(t, "sm2_x"), v.hex(t, "sm2_y"), sm2.P256().Params().P
	point := func(kind byte, coordinates ...[]byte) []byte {
		return publicDER(t, oidSM2, append([]byte{kind}, bytes.Join(coordinates, nil)...))
	}
	zero, full := make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)
	list := otherPublicKeys(t)
	for name, der := range map[string][]byte{
		"nothing": nil, "infinity": point(0), "zeros": point(4, zero, zero), "not on the curve": point(4, y, x),
		"coordinates too large": point(4, full, full), "x is p": point(4, p.Bytes(), y), "without y": point(4, x),
		"three coordinates": point(4, x, y, y), "unknown form": point(5, x, y), "hybrid form": point(6, x, y),
		"on P-256": publicDER(t, oidP256, append(append([]byte{4}, x...), y...)), "unknown curve": publicDER(t, oidEC, x),
		"private key": privateDER(t, oidSM2, v.hex(t, "sm2_private")),
	} {
		list[name] = der
	}
	for name, der := range list {
		if got, err := sm.ParsePublicKey(der); !errors.Is(err, sm.ErrKey) || got != nil {
			t.Errorf("%s: got %v, %v; want ErrKey", name, got, err)
		}
	}
	good := point(4, x, y)
	_, err := sm.ParsePublicKey(good)
	check.Must(t, err)
	eachCut(good, func(at string, cut []byte) {
		if _, err := sm.ParsePublicKey(cut); !errors.Is(err, sm.ErrKey) {
			t.Errorf("%s: %v, want ErrKey", at, err)
		}
	})
	eachFlip(good, func(at string, flipped []byte) {
		if _, err := sm.ParsePublicKey(flipped); !errors.Is(err, sm.ErrKey) {
			t.Errorf("%s: %v, want ErrKey", at, err)
		}
	})
}

func TestHostilePrivateKeys(t *testing.T) {
	t.Parallel()
	n := sm2.P256().Params().N
	number := func(d *big.Int) []byte { return privateDER(t, oidSM2, d.FillBytes(make([]byte, 32))) }
	less := func(by int64) *big.Int { return new(big.Int).Sub(n, big.NewInt(by)) }
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check.Must(t, err)
	rsaDER, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	check.Must(t, err)
	for name, der := range map[string][]byte{
		"nothing": nil, "zero": number(new(big.Int)), "n-1": number(less(1)), "n": number(n), "n+1": number(less(-1)),
		"all ones": privateDER(t, oidSM2, bytes.Repeat([]byte{0xff}, 32)), "too long": privateDER(t, oidSM2, make([]byte, 33)),
		"empty": privateDER(t, oidSM2, nil), "P-256": privateDER(t, oidP256, less(2).Bytes()), "RSA": rsaDER,
		"unknown curve": privateDER(t, oidEC, less(2).Bytes()), "public key": publicDER(t, oidSM2, nil),
	} {
		if got, err := sm.ParsePrivateKey(der); !errors.Is(err, sm.ErrKey) || got != nil {
			t.Errorf("%s: %v, want ErrKey", name, err)
		}
	}
	for name, d := range map[string]*big.Int{"1": big.NewInt(1), "n-2": less(2)} {
		if _, err := sm.ParsePrivateKey(number(d)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := number(less(2))
	for i := range good {
		if _, err := sm.ParsePrivateKey(good[:i]); !errors.Is(err, sm.ErrKey) {
			t.Errorf("first %d bytes: %v, want ErrKey", i, err)
		}
	}
}

func TestCertificateKey(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	der, err := sm.SelfSigned(key, "Tidebank channel", noon, time.Hour)
	check.Must(t, err)
	for _, tt := range []struct {
		name string
		at   time.Time
		err  error
	}{
		{"a second before", noon.Add(-time.Second), sm.ErrKey},
		{"first second", noon, nil},
		{"last second", noon.Add(time.Hour), nil},
		{"a second after", noon.Add(time.Hour + time.Second), sm.ErrKey},
	} {
		got, err := sm.CertificateKey(der, tt.at)
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
		if tt.err == nil && !got.Equal(key.Public()) {
			t.Errorf("%s: another key", tt.name)
		}
	}
	eachCut(der, func(at string, cut []byte) {
		if _, err := sm.CertificateKey(cut, noon); !errors.Is(err, sm.ErrKey) {
			t.Errorf("%s: %v, want ErrKey", at, err)
		}
	})
}

func TestCertificateOfAnotherAlgorithm(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check.Must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bank"}, NotBefore: noon, NotAfter: noon.Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check.Must(t, err)
	if got, err := sm.CertificateKey(der, noon); !errors.Is(err, sm.ErrKey) || got != nil {
		t.Errorf("got %v, %v; want ErrKey", got, err)
	}
}

// A certificate is SM2 with SM3 by its own key, as other software reads it.
func TestSelfSignedIsSignedByItself(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	der, err := sm.SelfSigned(key, "Tidebank channel", noon, time.Hour)
	check.Must(t, err)
	var certificate struct {
		Body      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	_, err = asn1.Unmarshal(der, &certificate)
	check.Must(t, err)
	if sm2WithSM3 := (asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 501}); !certificate.Algorithm.Algorithm.Equal(sm2WithSM3) {
		t.Errorf("algorithm %v", certificate.Algorithm.Algorithm)
	}
	check.Must(t, sm.Verify(key.Public(), certificate.Body.FullBytes, certificate.Signature.Bytes))
}
