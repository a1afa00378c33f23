package sm

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// ErrRequest reports that a text is no PKCS#10 request with SM2 and SM3.
var ErrRequest = errors.New("sm: not a certificate request")

// signedWithSM3 is the signature algorithm SM2 with SM3 (GM/T 0006-2012).
var signedWithSM3 = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 501}

// Request is a certificate signing request whose signature holds, so its sender has the
// private key.
type Request struct {
	Subject []byte // the distinguished name, DER
	Key     *PublicKey
}

// requestForm is the form of PKCS#10 (RFC 2986, GM/T 0092-2020). The attributes are signed
// and not read: CFCA's clients put a challenge and a temporary key there.
type requestForm struct {
	Info struct {
		Raw        asn1.RawContent
		Version    int
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Attributes []asn1.RawValue `asn1:"tag:0"`
	}
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

// ParseRequest reads a PKCS#10 request (DER). It returns ErrKey if the public key is not a
// point of the SM2 curve, and ErrSignature if the key has not signed the request.
func ParseRequest(der []byte) (Request, error) {
	if shut.Load() {
		return Request{}, ErrModule
	}
	var form requestForm
	rest, err := asn1.Unmarshal(der, &form)
	var subject pkix.RDNSequence
	if err == nil && len(rest) == 0 {
		rest, err = asn1.Unmarshal(form.Info.Subject.FullBytes, &subject)
	}
	if err != nil || len(rest) > 0 || form.Info.Version != 0 || !form.Algorithm.Algorithm.Equal(signedWithSM3) {
		return Request{}, ErrRequest
	}
	key, err := ParsePublicKey(form.Info.Key.FullBytes)
	if err != nil {
		return Request{}, err
	}
	if err := Verify(key, form.Info.Raw, form.Signature.RightAlign()); err != nil {
		return Request{}, err
	}
	return Request{Subject: form.Info.Subject.FullBytes, Key: key}, nil
}

// NewRequest makes a PKCS#10 request (DER) for the key and a distinguished name (DER), as
// apps do.
func NewRequest(k *PrivateKey, subject []byte) ([]byte, error) {
	public, err := k.Public().Marshal()
	if err != nil {
		return nil, err
	}
	var form requestForm
	form.Info.Subject = asn1.RawValue{FullBytes: subject}
	form.Info.Key = asn1.RawValue{FullBytes: public}
	info, err := asn1.Marshal(form.Info)
	if err != nil {
		return nil, fmt.Errorf("sm: request: %w", err)
	}
	signature, err := Sign(k, info)
	if err != nil {
		return nil, err
	}
	form.Info.Raw = info
	form.Algorithm.Algorithm = signedWithSM3
	form.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err := asn1.Marshal(form)
	if err != nil {
		return nil, fmt.Errorf("sm: request: %w", err)
	}
	return der, nil
}

// Subject is the distinguished name (DER) of a certificate of the bank's customers.
func Subject(unit, name string) ([]byte, error) {
	der, err := asn1.Marshal(pkix.Name{
		Country: []string{"CN"}, Organization: []string{organisation}, OrganizationalUnit: []string{unit}, CommonName: name,
	}.ToRDNSequence())
	if err != nil {
		return nil, fmt.Errorf("sm: subject: %w", err)
	}
	return der, nil
}
