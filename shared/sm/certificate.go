package sm

import (
	"crypto/x509/pkix"
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
	template := &smx509.Certificate{
		Subject:   pkix.Name{CommonName: name, Organization: []string{organisation}, Country: []string{"CN"}},
		NotBefore: from, NotAfter: from.Add(life), KeyUsage: smx509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	return (&Authority{key: k, certificate: template}).issue(template, k.Public())
}

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
