package sm

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/emmansun/gmsm/smx509"
)

// SelfSigned issues a self-signed certificate (X.509 DER, SM2 with SM3) for a key.
// The local bank uses it for the channel key. In production, the CA issues that
// certificate.
func SelfSigned(k *PrivateKey, name string, from time.Time, life time.Duration) ([]byte, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("sm: serial: %w", err)
	}
	template := &smx509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Tidebank"}, Country: []string{"CN"}},
		NotBefore: from, NotAfter: from.Add(life), KeyUsage: keyUsageSignature, BasicConstraintsValid: true,
	}
	der, err := smx509.CreateCertificate(rand.Reader, template, template, &k.key.PublicKey, k.key)
	if err != nil {
		return nil, fmt.Errorf("sm: certificate: %w", err)
	}
	return der, nil
}

// keyUsageSignature is X.509's digitalSignature.
const keyUsageSignature = 1

// CertificateKey returns the SM2 public key of a certificate. The certificate must be
// valid at the given instant.
func CertificateKey(der []byte, at time.Time) (*PublicKey, error) {
	certificate, err := smx509.ParseCertificate(der)
	if err != nil || at.Before(certificate.NotBefore) || at.After(certificate.NotAfter) {
		return nil, ErrKey
	}
	spki, err := smx509.MarshalPKIXPublicKey(certificate.PublicKey)
	if err != nil {
		return nil, ErrKey
	}
	return ParsePublicKey(spki)
}
