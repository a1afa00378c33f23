package sm

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// ErrSigned reports that a text is no message of signed data in the form that the bank takes.
var ErrSigned = errors.New("sm: not a message of signed data")

// The identifiers of GM/T 0006-2012 and GM/T 0010-2012.
var (
	typeData       = asn1.ObjectIdentifier{1, 2, 156, 10197, 6, 1, 4, 2, 1}
	typeSignedData = asn1.ObjectIdentifier{1, 2, 156, 10197, 6, 1, 4, 2, 2}
	digestSM3      = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 401}
	signatureSM2   = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301, 1}
)

// SignedData is the signature of one signer over a content that stands elsewhere (PKCS#7;
// GM/T 0010-2012, clause 8: SM2 with SM3, without attributes).
type SignedData struct {
	Issuer []byte // the distinguished name of the authority of the signer's certificate, DER
	Serial string // of this certificate, in lower-case hex

	certificate []byte // DER; nil if the message holds none
	signature   []byte
}

// Certificate is the signer's certificate, DER; nil if the message holds none.
func (s SignedData) Certificate() []byte { return s.certificate }

type signedForm struct {
	Type    asn1.ObjectIdentifier
	Content signedContent `asn1:"explicit,tag:0"`
}

type signedContent struct {
	Version      int
	Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
	Inner        struct{ Type asn1.ObjectIdentifier }
	Certificates []asn1.RawValue `asn1:"optional,omitempty,tag:0"`
	Signers      []signerForm    `asn1:"set"`
}

type signerForm struct {
	Version int
	By      struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	Digest    pkix.AlgorithmIdentifier
	Algorithm pkix.AlgorithmIdentifier
	Signature []byte
}

// ParseSignedData reads a message (DER). It returns ErrSigned for a message that holds its
// content, another number of signers, more certificates than the signer's, revocation lists,
// attributes, or another encoding of the same: each byte of a message counts.
func ParseSignedData(der []byte) (SignedData, error) {
	if shut.Load() {
		return SignedData{}, ErrModule
	}
	var form signedForm
	if rest, err := asn1.Unmarshal(der, &form); err != nil || len(rest) > 0 || !form.proper() {
		return SignedData{}, ErrSigned
	}
	// Unmarshal passes over elements that it does not expect.
	if again, err := asn1.Marshal(form); err != nil || !bytes.Equal(again, der) {
		return SignedData{}, ErrSigned
	}
	signer := form.Content.Signers[0]
	s := SignedData{Issuer: signer.By.Issuer.FullBytes, Serial: signer.By.Serial.Text(16), signature: signer.Signature}
	if held := form.Content.Certificates; len(held) > 0 {
		s.certificate = held[0].FullBytes
	}
	return s, nil
}

func (f signedForm) proper() bool {
	c := f.Content
	if !f.Type.Equal(typeSignedData) || !c.Inner.Type.Equal(typeData) || c.Version != 1 || len(c.Certificates) > 1 ||
		len(c.Digests) != 1 || len(c.Signers) != 1 {
		return false
	}
	signer := c.Signers[0]
	return signer.Version == 1 && signer.By.Serial.Sign() > 0 && names(c.Digests[0], digestSM3) &&
		names(signer.Digest, digestSM3) && names(signer.Algorithm, signatureSM2)
}

// names reports whether the identifier names the algorithm, which has no parameters.
func names(a pkix.AlgorithmIdentifier, algorithm asn1.ObjectIdentifier) bool {
	parameters := a.Parameters.FullBytes
	return a.Algorithm.Equal(algorithm) && (len(parameters) == 0 || bytes.Equal(parameters, asn1.NullBytes))
}

// Verify returns ErrSignature unless the message names the certificate, and its key has signed
// the content.
func (s SignedData) Verify(c *Certificate, content []byte) error {
	if !bytes.Equal(s.Issuer, c.certificate.RawIssuer) || s.Serial != c.Serial() ||
		s.certificate != nil && !bytes.Equal(s.certificate, c.DER()) {
		return ErrSignature
	}
	return Verify(c.key, content, s.signature)
}

// NewSignedData signs a content as apps do, and puts the certificate into the message (DER).
func NewSignedData(k *PrivateKey, c *Certificate, content []byte) ([]byte, error) {
	signature, err := Sign(k, content)
	if err != nil {
		return nil, err
	}
	digest := pkix.AlgorithmIdentifier{Algorithm: digestSM3, Parameters: asn1.NullRawValue}
	signer := signerForm{
		Version: 1, Digest: digest, Signature: signature,
		Algorithm: pkix.AlgorithmIdentifier{Algorithm: signatureSM2, Parameters: asn1.NullRawValue},
	}
	signer.By.Issuer, signer.By.Serial = asn1.RawValue{FullBytes: c.certificate.RawIssuer}, c.certificate.SerialNumber
	form := signedForm{Type: typeSignedData, Content: signedContent{
		Version: 1, Digests: []pkix.AlgorithmIdentifier{digest}, Certificates: []asn1.RawValue{{FullBytes: c.DER()}},
		Signers: []signerForm{signer},
	}}
	form.Content.Inner.Type = typeData
	der, err := asn1.Marshal(form)
	if err != nil {
		return nil, fmt.Errorf("sm: signed data: %w", err)
	}
	return der, nil
}
