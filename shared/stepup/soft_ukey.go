package stepup

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/evidence"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// The soft UKey (软UKey) is a key in the customer's phone with a certificate of the bank's
// authority. It signs the intent's text (PKCS#7).
const (
	SoftUKey        Factor = "soft_ukey"         // opened in the app
	SoftUKeyCounter Factor = "soft_ukey_counter" // opened at the counter

	// The phone shield (手机盾) is such a key in the trusted environment of one phone (AUTH-019).
	PhoneShield Factor = "phone_shield"
)

// CapPhoneShield is the largest amount of one transfer by a phone shield that the bank may set: that
// of the next stronger method. Rows of stepup_cap set a lower one (the standard gives no figure).
const CapPhoneShield = CapSoftUKey

// CapSoftUKey is the largest amount of one transfer by a soft UKey that was opened at the
// counter: 1,000,000.00 CNY (LIMIT-002, 增强身份认证要求 b). The policy's
// transfer.soft_ukey.day_cap holds the same figure for the sum of a day; a higher figure has no
// effect. One that was opened in the app has the cap of the SMS code, and counts in the same sum.
const CapSoftUKey money.Fen = 1_000_000_00

// softUKey is a certificate's key as a factor, by where the certificate was opened.
type softUKey struct {
	opened cert.Opening
	factor Factor
	most   money.Fen
	sum    limit.Kind
}

var (
	uKeyOfApp     = softUKey{cert.InApp, SoftUKey, CapSMS, limit.TransferSMS}
	uKeyOfCounter = softUKey{cert.AtCounter, SoftUKeyCounter, CapSoftUKey, limit.TransferSoftUKey}
	uKeyOfShield  = softUKey{cert.InShield, PhoneShield, CapPhoneShield, limit.TransferPhoneShield}
)

func (f softUKey) name() Factor    { return f.factor }
func (f softUKey) cap() money.Fen  { return f.most }
func (f softUKey) day() limit.Kind { return f.sum }

func (f softUKey) begin(p Proof) attempt {
	return &softUKeyAttempt{signature: cert.Signature{Opened: f.opened, DER: p.SignedData}}
}

func (softUKey) lacks(p Proof) string {
	if len(p.SignedData) == 0 {
		return "signed_data"
	}
	return ""
}

type softUKeyAttempt struct {
	signature cert.Signature
	evidence  pg.Statement
}

func (a *softUKeyAttempt) load(v *Verification, batch *pgx.Batch) {
	a.signature = cert.Signature{
		CustomerID: v.CustomerID, DeviceID: v.DeviceID, Opened: a.signature.Opened, DER: a.signature.DER, Now: v.Now,
	}
	a.signature.QueueSigner(batch)
}

// A signature that can't be checked for revocation confirms nothing (AUTH-002).
func (a *softUKeyAttempt) verify(_ context.Context, v *Verification, ring *keys.Ring) error {
	err := a.signature.Verify(v.Roots, []byte(v.found.Text))
	switch {
	case errors.Is(err, bankerr.ErrUnavailable):
		return err
	case err != nil:
		return rejected(err)
	}
	record := evidence.Record{
		ID: v.found.ID, CustomerID: v.CustomerID, Operation: v.Operation, Text: v.found.Text, SignedData: a.signature.DER,
		Certificate: a.signature.Certificate, Chain: a.signature.Chain, ListDigest: a.signature.ListDigest, VerifiedAt: v.Now,
	}
	if a.evidence, err = record.StoreEvidence(ring, a.signature.CertificateID); err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	return nil
}

func (*softUKeyAttempt) waits() bool                   { return false }
func (*softUKeyAttempt) settle(*pg.Unit)               {}
func (*softUKeyAttempt) left() (int, *time.Time, bool) { return 0, nil, false }

// consume stores the evidence with what the signature confirms (AUTH-025). The signed text names
// the intent, which is used once.
func (a *softUKeyAttempt) consume(unit *pg.Unit, _ uuid.UUID) { unit.Add(a.evidence) }
