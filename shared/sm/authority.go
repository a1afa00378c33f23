package sm

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/emmansun/gmsm/smx509"
)

// organisation stands in the names of the certificates that the bank asks for or makes.
const organisation = "Tidebank"

// keyUsageCustomer is the use of a customer's certificate, keyUsageAuthority that of an
// authority's.
const (
	keyUsageCustomer  = smx509.KeyUsageDigitalSignature | smx509.KeyUsageContentCommitment
	keyUsageAuthority = smx509.KeyUsageCertSign | smx509.KeyUsageCRLSign
)

// Authority issues certificates, for the simulator of the certificate authority and tests.
type Authority struct {
	key         *PrivateKey
	certificate *smx509.Certificate
}

// NewAuthority makes a root.
func NewAuthority(name string, from time.Time, life time.Duration) (*Authority, error) {
	return (*Authority)(nil).Subordinate(name, from, life)
}

// Subordinate makes an authority below this one; below none, it makes a root.
func (a *Authority) Subordinate(name string, from time.Time, life time.Duration) (*Authority, error) {
	key, err := GenerateKey()
	if err != nil {
		return nil, err
	}
	made := &Authority{key: key}
	template := &smx509.Certificate{
		Subject:   pkix.Name{CommonName: name, Organization: []string{organisation}, Country: []string{"CN"}},
		NotBefore: from, NotAfter: from.Add(life), KeyUsage: keyUsageAuthority, BasicConstraintsValid: true, IsCA: true,
	}
	parent := a
	if parent == nil {
		parent = &Authority{key: key, certificate: template}
	}
	der, err := parent.issue(template, key.Public())
	if err != nil {
		return nil, err
	}
	if made.certificate, err = smx509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("sm: authority: %w", err)
	}
	return made, nil
}

// DER is the authority's own certificate.
func (a *Authority) DER() []byte { return a.certificate.Raw }

// PEM is the same, as ParseRoots reads it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: a.certificate.Raw})
}

// Issue issues a certificate (DER) for the signatures of a customer.
func (a *Authority) Issue(r Request, from time.Time, life time.Duration) ([]byte, error) {
	return a.issue(&smx509.Certificate{
		RawSubject: r.Subject, NotBefore: from, NotAfter: from.Add(life), KeyUsage: keyUsageCustomer, BasicConstraintsValid: true,
	}, r.Key)
}

// issue gives the template a random serial number and signs it.
func (a *Authority) issue(template *smx509.Certificate, key *PublicKey) ([]byte, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	var err error
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, fmt.Errorf("sm: serial: %w", err)
	}
	der, err := smx509.CreateCertificate(rand.Reader, template, a.certificate, key.key, a.key.key)
	if err != nil {
		return nil, fmt.Errorf("sm: certificate: %w", err)
	}
	return der, nil
}
