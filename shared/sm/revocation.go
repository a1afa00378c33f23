package sm

import (
	"bytes"
	"crypto/rand"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/emmansun/gmsm/smx509"
)

// ErrRevocations reports that a text is no list of revoked certificates of an authority that the
// bank trusts, or that the list has expired.
var ErrRevocations = errors.New("sm: not a current revocation list of the bank's authority")

// Revocations is a list of the certificates that an authority has revoked (CRL; RFC 5280,
// clause 5, GM/T 0015-2012).
type Revocations struct{ list *smx509.RevocationList }

// Made is when the authority made the list.
func (r Revocations) Made() time.Time { return r.list.ThisUpdate }

// Until is when the list ends: the authority will have made another one before.
func (r Revocations) Until() time.Time { return r.list.NextUpdate }

// DER is the list as it was read.
func (r Revocations) DER() []byte { return r.list.Raw }

// Serials are the numbers of the revoked certificates, as Certificate.Serial gives them.
func (r Revocations) Serials() []string {
	serials := make([]string, len(r.list.RevokedCertificateEntries))
	for i, entry := range r.list.RevokedCertificateEntries {
		serials[i] = entry.SerialNumber.Text(16)
	}
	return serials
}

// Revocations reads a list (DER). It returns ErrRevocations unless the authority (X.509, DER)
// has signed it, one of the roots leads to the authority, and the list has not ended at the
// instant. It refuses lists that name only a part of the revoked certificates, or those of
// other authorities: such a list has a critical extension.
func (r Roots) Revocations(der, authority []byte, between [][]byte, at time.Time) (Revocations, error) {
	if shut.Load() {
		return Revocations{}, ErrModule
	}
	by, err := ParseCertificate(authority)
	if err != nil {
		return Revocations{}, ErrRevocations
	}
	list, err := smx509.ParseRevocationList(der)
	if err != nil || len(list.Raw) != len(der) || !whole(list) || !at.Before(list.NextUpdate) {
		return Revocations{}, ErrRevocations
	}
	if list.SignatureAlgorithm != smx509.SM2WithSM3 || !bytes.Equal(list.RawIssuer, by.certificate.RawSubject) ||
		!by.certificate.IsCA || list.CheckSignatureFrom(by.certificate) != nil || r.lead(by, between, at) != nil {
		return Revocations{}, ErrRevocations
	}
	return Revocations{list}, nil
}

func whole(list *smx509.RevocationList) bool {
	critical := func(e pkix.Extension) bool { return e.Critical }
	return !slices.ContainsFunc(list.Extensions, critical) &&
		!slices.ContainsFunc(list.RevokedCertificateEntries, func(e smx509.RevocationListEntry) bool {
			return slices.ContainsFunc(e.Extensions, critical)
		})
}

// Revoke makes a list (DER) of certificates that this authority has revoked. number counts the
// lists of the authority.
func (a *Authority) Revoke(serials []string, number int64, from time.Time, life time.Duration) ([]byte, error) {
	if shut.Load() {
		return nil, ErrModule
	}
	template := &smx509.RevocationList{Number: big.NewInt(number), ThisUpdate: from, NextUpdate: from.Add(life)}
	for _, s := range serials {
		serial, ok := new(big.Int).SetString(s, 16)
		if !ok {
			return nil, ErrRevocations
		}
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, smx509.RevocationListEntry{
			SerialNumber: serial, RevocationTime: from,
		})
	}
	der, err := smx509.CreateRevocationList(rand.Reader, template, a.certificate, a.key.key)
	if err != nil {
		return nil, fmt.Errorf("sm: revocation list: %w", err)
	}
	return der, nil
}
