package sm

import (
	"bytes"
	"encoding/pem"
	"errors"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
)

// ErrChain reports a certificate that the bank's authority has not issued for signatures, or
// that is not valid at the time.
var ErrChain = errors.New("sm: certificate is not of the bank's authority")

// Certificate is an X.509 certificate with an SM2 key (GM/T 0015-2012), parsed once.
type Certificate struct {
	certificate *smx509.Certificate
	key         *PublicKey
}

// ParseCertificate reads DER. It returns ErrKey for another kind of key.
func ParseCertificate(der []byte) (*Certificate, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	parsed, err := smx509.ParseCertificate(der)
	if err != nil || !sm2.IsSM2PublicKey(parsed.PublicKey) {
		return nil, ErrKey
	}
	key, err := ParsePublicKey(parsed.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, err
	}
	return &Certificate{certificate: parsed, key: key}, nil
}

// Key is the certified key.
func (c *Certificate) Key() *PublicKey { return c.key }

// Subject is the distinguished name of the holder, DER.
func (c *Certificate) Subject() []byte { return c.certificate.RawSubject }

// Serial is the number that the issuer gave it, in lower-case hex.
func (c *Certificate) Serial() string { return c.certificate.SerialNumber.Text(16) }

// Valid returns the first and the last instant at which the certificate is valid.
func (c *Certificate) Valid() (from, until time.Time) {
	return c.certificate.NotBefore, c.certificate.NotAfter
}

// DER is the certificate as it was read.
func (c *Certificate) DER() []byte { return c.certificate.Raw }

// Roots are the authorities that the bank trusts.
type Roots struct{ pool *smx509.CertPool }

// ParseRoots reads certificates in PEM. It returns ErrKey if there is none, or another text.
func ParseRoots(text []byte) (Roots, error) {
	if shut.Load() {
		return Roots{}, ErrModule
	}
	pool := smx509.NewCertPool()
	for len(bytes.TrimSpace(text)) > 0 {
		block, rest := pem.Decode(text)
		if block == nil || block.Type != pemCertificate {
			return Roots{}, ErrKey
		}
		root, err := ParseCertificate(block.Bytes)
		if err != nil {
			return Roots{}, err
		}
		pool.AddCert(root.certificate)
		text = rest
	}
	if len(pool.Subjects()) == 0 { //nolint:staticcheck // no other way to see whether it is empty
		return Roots{}, ErrKey
	}
	return Roots{pool}, nil
}

const pemCertificate = "CERTIFICATE"

// Check returns ErrChain unless a chain of authorities leads from one of the roots to the
// certificate, each is valid at the instant, and the certificate is for signatures that
// bind its holder (digitalSignature and nonRepudiation). between are the authorities
// between, DER.
func (r Roots) Check(c *Certificate, between [][]byte, at time.Time) error {
	if shut.Load() {
		return ErrModule
	}
	if c.certificate.IsCA || c.certificate.KeyUsage&keyUsageCustomer != keyUsageCustomer {
		return ErrChain
	}
	return r.lead(c, between, at)
}

// lead returns ErrChain unless a chain of authorities leads from one of the roots to the
// certificate, and each is valid at the instant.
func (r Roots) lead(c *Certificate, between [][]byte, at time.Time) error {
	if r.pool == nil {
		return ErrChain
	}
	others := smx509.NewCertPool()
	for _, der := range between {
		other, err := ParseCertificate(der)
		if err != nil {
			return ErrChain
		}
		others.AddCert(other.certificate)
	}
	_, err := c.certificate.Verify(smx509.VerifyOptions{
		Roots: r.pool, Intermediates: others, CurrentTime: at, KeyUsages: []smx509.ExtKeyUsage{smx509.ExtKeyUsageAny},
	})
	if err != nil {
		return ErrChain
	}
	return nil
}
