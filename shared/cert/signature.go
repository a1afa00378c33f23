package cert

import (
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// Opening is where the customer's certificate was opened.
type Opening string

// The openings. The table's CHECK lists the same.
const (
	InApp     Opening = "app"     // identity-cert-apply
	AtCounter Opening = "counter" // the bank's staff has seen the customer and the identity document
	InShield  Opening = "shield"  // identity-cert-apply, with an attestation: the phone shield
)

const (
	// The newest list of the authority that has issued the certificate, if it is still good.
	sqlSigner = `-- certificate.signer
SELECT c.id, c.der, c.chain, c.opened, c.revoked_at IS NOT NULL, l.digest
  FROM certificate c
  LEFT JOIN LATERAL (
       SELECT digest FROM revocation_list
        WHERE authority = c.chain[1] AND valid_until > $3 AND got_at > $4 ORDER BY made_at DESC LIMIT 1) l ON true
 WHERE c.customer_id = $1 AND c.serial = $2 AND (c.device_id IS NULL OR c.device_id = $5)`

	sqlHeld = `-- certificate.held
SELECT coalesce(bool_or(opened = 'app'), false), coalesce(bool_or(opened = 'counter'), false),
       coalesce(bool_or(opened = 'shield' AND device_id = $3), false)
  FROM certificate
 WHERE customer_id = $1 AND valid_from <= $2 AND valid_until > $2 AND revoked_at IS NULL`
)

// Reasons why a signature does not hold.
var (
	errUnknown = errors.New("the customer has no such certificate on this device")
	errOpening = errors.New("the certificate was opened elsewhere")
	errRevoked = errors.New("the certificate is revoked")
	errNoList  = errors.New("no current revocation list of the authority")
)

// Held says which certificates a customer has on a device that are valid and not revoked.
type Held struct{ App, Counter, Shield bool }

// QueueHeld adds to the batch the query for what the customer has on the device.
func QueueHeld(batch *pgx.Batch, customer uuid.UUID, deviceID string, now time.Time, found *Held) {
	batch.Queue(sqlHeld, customer, now, deviceID).QueryRow(func(row pgx.Row) error {
		return pg.Optional(row.Scan(&found.App, &found.Counter, &found.Shield))
	})
}

// Signature is a customer's signature by the key of a certificate (PKCS#7, sm.SignedData).
// QueueSigner looks for the certificate, and Verify decides.
type Signature struct {
	CustomerID uuid.UUID
	DeviceID   string  // from which the signature comes
	Opened     Opening // the certificate must be of this opening
	DER        []byte
	Now        time.Time

	// These fields are set after QueueSigner.
	CertificateID uuid.UUID
	Certificate   []byte // DER; nil: the customer has no such certificate
	Chain         [][]byte
	ListDigest    []byte // of the current list; nil: there is none

	signed  sm.SignedData
	err     error // of reading the message
	opened  Opening
	revoked bool
}

// QueueSigner adds to the batch the query for the certificate that the message names, and for
// the newest list of its authority. It finds only certificates of the customer that are bound to no
// device or to this one.
func (s *Signature) QueueSigner(batch *pgx.Batch) {
	s.Certificate = nil
	if s.signed, s.err = sm.ParseSignedData(s.DER); s.err != nil {
		return
	}
	batch.Queue(sqlSigner, s.CustomerID, s.signed.Serial, s.Now, s.Now.Add(-ListLife), s.DeviceID).QueryRow(func(row pgx.Row) error {
		return pg.Optional(row.Scan(&s.CertificateID, &s.Certificate, &s.Chain, &s.opened, &s.revoked, &s.ListDigest))
	})
}

// Verify returns an error unless the signature is over the content by the key of a certificate
// that the bank has issued to this customer, the roots lead to it, and it is valid and not
// revoked. It returns SERVICE_UNAVAILABLE if no current list says whether it is revoked.
func (s *Signature) Verify(roots sm.Roots, content []byte) error {
	switch {
	case s.err != nil:
		return s.err
	case s.Certificate == nil:
		return errUnknown
	case s.opened != s.Opened:
		return errOpening
	}
	c, err := sm.ParseCertificate(s.Certificate)
	if err != nil {
		return err
	}
	if err := s.signed.Verify(c, content); err != nil {
		return err
	}
	if err := roots.Check(c, s.Chain, s.Now); err != nil {
		return err
	}
	switch {
	case s.revoked:
		return errRevoked
	case s.ListDigest == nil:
		return bankerr.ErrUnavailable.Because(errNoList)
	}
	return nil
}
