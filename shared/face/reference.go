package face

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlReference = `-- bio_reference.put
INSERT INTO bio_reference (person, reference_ct, taken_at) VALUES ($1, $2, $3)
ON CONFLICT (person) DO UPDATE SET reference_ct = excluded.reference_ct, taken_at = excluded.taken_at`

	sqlPin = `-- bio_reference.pin
UPDATE bio_reference SET reference_ct = $3 WHERE person = $1 AND reference_ct = $2`

	// A person without a reference has withdrawn the consent meanwhile. A withdrawal that comes now waits for the row's
	// lock, and then finds the result.
	sqlResult = `-- bio_result.keep
INSERT INTO bio_result (id, person, digest_ct, made_at)
SELECT $1::uuid, person, $3::bytea, $4::timestamptz FROM bio_reference WHERE person = $2 FOR KEY SHARE`
)

// Kind says where a reference photo comes from.
type Kind string

// The kinds.
const (
	OnlineCheck Kind = "online_check" // the photo of the online identity check
	Counter     Kind = "counter"      // taken at the bank's counter
)

// Reference is a customer's reference photo, which the engine holds under the handle. It rests
// sealed.
type Reference struct {
	Handle  uuid.UUID `json:"handle"` // random: the engine learns nothing of the customer by it
	Kind    Kind      `json:"kind"`
	TakenAt time.Time `json:"taken_at"`
	// Template is the SM3 of the template that the engine has made of the photo; empty: the first
	// check that passes tells it.
	Template []byte `json:"template,omitempty"`
}

// Policy bounds the age of reference photos.
type Policy struct {
	MaxAge time.Duration `envconfig:"FACE_REFERENCE_MAX_AGE" default:"17520h" min:"24h" max:"175200h"`
}

// Oldest returns the time after which a reference photo must have been taken.
func (p Policy) Oldest(now time.Time) time.Time { return now.Add(-p.MaxAge) }

// store names the biometric store for pseudonyms.
const store = "biometric store"

// PersonOf is the pseudonym of the customer in the biometric store.
func PersonOf(ring *keys.Ring, customer uuid.UUID) []byte { return ring.Pseudonym(store, customer[:]) }

func referenceAAD(person string) []byte { return keys.AAD("bio_reference", "reference_ct", person) }
func resultAAD(id string) []byte        { return keys.AAD("bio_result", "digest_ct", id) }

func (r Reference) seal(ring *keys.Ring, person []byte) ([]byte, error) {
	clear, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("face reference: %w", err)
	}
	sealed, err := ring.Seal(keys.Biometric, referenceAAD(hex.EncodeToString(person)), clear)
	if err != nil {
		return nil, fmt.Errorf("face reference: %w", err)
	}
	return sealed, nil
}

func openReference(ring *keys.Ring, person, sealed []byte) (r Reference, err error) {
	clear, err := ring.Open(keys.Biometric, referenceAAD(hex.EncodeToString(person)), sealed)
	if errors.Is(err, keys.ErrOpen) {
		return r, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	if err != nil {
		return r, fmt.Errorf("face reference: %w", err)
	}
	if err := json.Unmarshal(clear, &r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	return r, nil
}

// Refer adds to the unit the statement that makes the photo the customer's reference, in place
// of an earlier one.
func Refer(unit *pg.Unit, ring *keys.Ring, customer uuid.UUID, r Reference) error {
	r.TakenAt = r.TakenAt.Truncate(time.Microsecond) // PostgreSQL stores microseconds
	person := PersonOf(ring, customer)
	sealed, err := r.seal(ring, person)
	if err != nil {
		return err
	}
	unit.Add(pg.Statement{SQL: sqlReference, Args: []any{person, sealed, r.TakenAt}})
	return nil
}

// keepResult adds to the unit the statement that keeps the digest of a face's template. It keeps the business
// day only: the time of the check would tell which check it is of, and so who the person is (BIO-008).
func keepResult(unit *pg.Unit, ring *keys.Ring, person, digest []byte, now time.Time) error {
	id := uuid.New()
	sealed, err := ring.Seal(keys.Biometric, resultAAD(id.String()), digest)
	if err != nil {
		return fmt.Errorf("face result: %w", err)
	}
	unit.Add(pg.Statement{SQL: sqlResult, Args: []any{id, person, sealed, clock.StartOfDay(now)}})
	return nil
}
