// Package evidence owns the table evidence: what proves later that a customer has signed an
// operation (AUTH-025).
//
// A record holds the signed text, the signature (PKCS#7), the certificate with its chain, the
// revocation list that the bank went by, and the time at which the bank checked them.
// StoreEvidence adds it to the unit of the operation, so an operation by certificate never
// commits without it. The bank's MAC covers all of it, also the time, which no signature of the
// customer's covers.
//
// Verify needs no database and no network: only the roots and the bank's key of the purpose
// Evidence. It checks at the record's own time, so it holds also when the certificates have
// expired. Certificates, lists and signatures are DER, times have microseconds. Values are safe
// for concurrent use.
//
// Source: AUTH-023, AUTH-025.
package evidence

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// Record is the evidence of one operation.
type Record struct {
	ID          uuid.UUID `json:"id"` // of the intent, and of what it has made
	CustomerID  uuid.UUID `json:"customer_id"`
	Operation   string    `json:"operation"` // the function that has carried it out
	Text        string    `json:"text"`      // what the customer has signed
	SignedData  []byte    `json:"signed_data"`
	Certificate []byte    `json:"certificate"`
	Chain       [][]byte  `json:"chain"`       // the authorities between the certificate and the root, from below
	ListDigest  []byte    `json:"list_digest"` // SM3 of List
	List        []byte    `json:"list"`        // of revoked certificates
	VerifiedAt  time.Time `json:"verified_at"`
	MAC         []byte    `json:"mac"`
	MACKey      string    `json:"mac_key"`
}

// Reasons why a record proves nothing.
var (
	ErrForm    = errors.New("evidence: the file is not as the bank writes it")
	ErrMAC     = errors.New("evidence: the bank's MAC does not hold")
	ErrSigned  = errors.New("evidence: the customer's signature does not hold")
	ErrChain   = errors.New("evidence: the roots do not lead to the certificate")
	ErrList    = errors.New("evidence: the revocation list is another one or does not hold")
	ErrRevoked = errors.New("evidence: the certificate was revoked")
)

// covered lists what the MAC covers.
func (r Record) covered() [][]byte {
	at := binary.BigEndian.AppendUint64(nil, uint64(r.VerifiedAt.UnixMicro()))
	parts := [][]byte{
		[]byte("evidence 1"), r.ID[:], r.CustomerID[:], []byte(r.Operation), []byte(r.Text), r.SignedData, r.ListDigest, at, r.Certificate,
	}
	return append(parts, r.Chain...)
}

// Verify returns an error unless the record proves that the customer has signed the text.
func (r Record) Verify(roots sm.Roots, ring *keys.Ring) error {
	if err := ring.VerifyMAC(keys.Evidence, r.MACKey, r.MAC, r.covered()...); err != nil {
		return fmt.Errorf("%w: %w", ErrMAC, err)
	}
	certificate, err := sm.ParseCertificate(r.Certificate)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChain, err)
	}
	signed, err := sm.ParseSignedData(r.SignedData)
	if err == nil {
		err = signed.Verify(certificate, []byte(r.Text))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSigned, err)
	}
	if err := roots.Check(certificate, r.Chain, r.VerifiedAt); err != nil {
		return fmt.Errorf("%w: %w", ErrChain, err)
	}
	if len(r.Chain) == 0 || !bytes.Equal(sm.Digest(r.List), r.ListDigest) {
		return ErrList
	}
	list, err := roots.Revocations(r.List, r.Chain[0], r.Chain[1:], r.VerifiedAt)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrList, err)
	}
	if slices.Contains(list.Serials(), certificate.Serial()) {
		return ErrRevoked
	}
	return nil
}

// Encode writes the record as the text of a file.
func (r Record) Encode() ([]byte, error) {
	r.VerifiedAt = r.VerifiedAt.UTC()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return append(text, '\n'), nil
}

// Decode reads the text of a file. It returns ErrForm for a text that Encode would not write, so
// that each byte of a file counts.
func Decode(text []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	if again, err := r.Encode(); err != nil || !bytes.Equal(again, text) {
		return Record{}, ErrForm
	}
	return r, nil
}
