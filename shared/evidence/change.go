package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// ErrBank reports that the bank has not signed the content of a change.
var ErrBank = errors.New("evidence: the bank's signature over the change does not hold")

// Change is the evidence of one change of what a customer has agreed with the bank, or of how the bank knows the customer
// (AUTH-023). The bank signs Content (Signed), whether the customer has a certificate or not.
type Change struct {
	Content     string `json:"content"` // Signed, as JSON
	Certificate []byte `json:"certificate"`
	Signature   []byte `json:"signature"` // SM2 with SM3 over Content, DER
}

// Signed is what the bank has signed: who has changed what, and how the customer has proved it.
type Signed struct {
	Version       int             `json:"version"` // 1
	ID            uuid.UUID       `json:"id"`      // of the intent, if the change has one
	CustomerID    uuid.UUID       `json:"customer_id"`
	Operation     string          `json:"operation"` // the function that has carried it out
	DeviceID      string          `json:"device_id"`
	At            time.Time       `json:"at"`                // UTC, microseconds
	Text          string          `json:"text"`              // what the customer has read and confirmed; empty without an intent
	Request       json.RawMessage `json:"request,omitempty"` // without proofs, passwords and codes; only of a session
	RequestDigest []byte          `json:"request_digest"`    // SM3 of the request without proofs, passwords and codes
	Factors       []string        `json:"factors"`
	Signatures    []Signature     `json:"signatures"`
	Certificate   []byte          `json:"certificate_digest"` // SM3
}

// Signature is one by a key of the customer's over the text.
type Signature struct {
	Factor    string `json:"factor"`
	PublicKey []byte `json:"public_key"` // PKIX DER, as the bank had bound it
	Signature []byte `json:"signature"`
}

// attest signs the content for the bank.
func (s Signed) attest(ring *keys.Ring) (Change, error) {
	by, err := ring.Attester(s.At)
	if err != nil {
		return Change{}, fmt.Errorf("evidence: %w", err)
	}
	s.Version, s.At, s.Certificate = 1, s.At.UTC().Truncate(time.Microsecond), sm.Digest(by.Certificate)
	content, err := json.Marshal(s)
	if err != nil {
		return Change{}, fmt.Errorf("evidence: %w", err)
	}
	signature, err := by.Sign(content)
	return Change{Content: string(content), Certificate: by.Certificate, Signature: signature}, err
}

// VerifyChange returns what the bank has signed. It returns an error unless the bank's signature holds, by one of the bank's
// keys of the purpose Evidence, and each signature of the customer's holds over the text. It needs no database and no network.
func (c Change) VerifyChange(ring *keys.Ring) (Signed, error) {
	var s Signed
	if err := json.Unmarshal([]byte(c.Content), &s); err != nil {
		return Signed{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	public, err := ring.AttestedBy(c.Certificate, s.At)
	if err == nil {
		err = sm.Verify(public, []byte(c.Content), c.Signature)
	}
	if err != nil {
		return Signed{}, fmt.Errorf("%w: %w", ErrBank, err)
	}
	if s.Version != 1 || !bytes.Equal(sm.Digest(c.Certificate), s.Certificate) {
		return Signed{}, ErrBank
	}
	for _, by := range s.Signatures {
		key, err := sm.ParsePublicKey(by.PublicKey)
		if err == nil {
			err = sm.Verify(key, []byte(s.Text), by.Signature)
		}
		if err != nil {
			return Signed{}, fmt.Errorf("%w: %s: %w", ErrSigned, by.Factor, err)
		}
	}
	return s, nil
}

// EncodeChange writes the evidence as the text of a file.
func (c Change) EncodeChange() ([]byte, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return append(text, '\n'), nil
}

// DecodeChange reads the text of a file. It returns ErrForm for a text that EncodeChange would not write.
func DecodeChange(text []byte) (Change, error) {
	var c Change
	if err := json.Unmarshal(text, &c); err != nil {
		return Change{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	if again, err := c.EncodeChange(); err != nil || !bytes.Equal(again, text) {
		return Change{}, ErrForm
	}
	return c, nil
}
