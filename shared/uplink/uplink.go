// Package uplink proves a number by a text that its holder sends to the bank.
//
// The app shows a text of eight random digits, which is made for one intent (Offer). The customer
// sends it from the reserved number to the bank's number. The gateway posts each text that arrives,
// signed (Message). A text counts once, only from the reserved number that it was made for, and only
// for its intent (Arrived). The bank stores a digest of the text. A later text of the customer voids
// the earlier one. The policy's uplink.life_seconds is the time for it to arrive. Values are not for
// concurrent use. Source: OTP-008.
package uplink

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// ErrClosed refuses a text if the bank has no number that takes texts.
var ErrClosed = bankerr.New(bankerr.Refused, "UPLINK_CLOSED")

// Digits is the length of a text.
const Digits = 8

const (
	sqlOffer = `-- uplink_text.offer
INSERT INTO uplink_text AS u (customer_id, intent_id, device_id, binding, phone_bidx, text_digest, issued_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (customer_id) DO UPDATE
   SET intent_id = $2, device_id = $3, binding = $4, phone_bidx = $5, text_digest = $6, issued_at = $7, expires_at = $8,
       arrived_at = NULL`

	sqlLife = `-- uplink_text.life
SELECT policy_value('uplink.life_seconds', $1)`

	sqlAwaited = `-- uplink_text.awaited
SELECT u.text_digest FROM uplink_text u JOIN customer c ON c.id = u.customer_id AND c.phone_bidx = u.phone_bidx
 WHERE u.phone_bidx = $1 AND u.arrived_at IS NULL AND u.expires_at > $2`

	sqlArrive = `-- uplink_text.arrive
UPDATE uplink_text SET arrived_at = $3
 WHERE phone_bidx = $1 AND text_digest = $2 AND arrived_at IS NULL AND expires_at > $3`

	// A text from a number that the customer no longer has proves nothing.
	sqlArrived = `-- uplink_text.arrived
SELECT u.binding FROM uplink_text u JOIN customer c ON c.id = u.customer_id AND c.phone_bidx = u.phone_bidx
 WHERE u.customer_id = $1 AND u.device_id = $2 AND u.intent_id = $3 AND u.arrived_at IS NOT NULL`

	sqlPrune = `-- uplink_text.prune
DELETE FROM uplink_text WHERE customer_id IN (
    SELECT customer_id FROM uplink_text WHERE expires_at < $2::timestamptz LIMIT $1)`
)

// Config holds the number that takes the customers' texts. Without one, no text proves anything.
type Config struct {
	Number string `envconfig:"SMS_UPLINK_NUMBER"`
}

// CheckNumber refuses a number that no phone can send to.
func (c Config) CheckNumber() error {
	if c.Number != "" && (!digits.Only(c.Number) || len(c.Number) < 5 || len(c.Number) > 20) {
		return fmt.Errorf("SMS_UPLINK_NUMBER: %w", errNumber)
	}
	return nil
}

// Offer is the text that a customer is to send for an intent.
type Offer struct {
	CustomerID, IntentID uuid.UUID
	DeviceID             string
	Binding              []byte // SM3 of the intent's text
	Phone                []byte // blind index of the reserved number
}

// OfferText makes a new text, and adds to the unit the statement that stores its digest.
func OfferText(unit *pg.Unit, o Offer, now time.Time, life time.Duration) (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		return "", fmt.Errorf("uplink text: %w", err)
	}
	text := fmt.Sprintf("%0*d", Digits, n)
	unit.Add(pg.Statement{SQL: sqlOffer, Args: []any{
		o.CustomerID, o.IntentID, o.DeviceID, o.Binding, o.Phone, digest(o.Phone, text), now, now.Add(life),
	}})
	return text, nil
}

// ReadLife reads how long a text may take to arrive.
func ReadLife(ctx context.Context, db pg.Reader, at time.Time) (time.Duration, error) {
	var seconds int64
	if err := db.QueryRow(ctx, sqlLife, clock.BusinessDay(at)).Scan(&seconds); err != nil {
		return 0, fmt.Errorf("uplink life: %w", err)
	}
	return time.Duration(seconds) * time.Second, nil
}

// Awaited reports whether the bank waits for this text from the number with this blind index.
func Awaited(ctx context.Context, db pg.Reader, phone []byte, text string, now time.Time) (bool, error) {
	var stored []byte
	if err := pg.Optional(db.QueryRow(ctx, sqlAwaited, phone, now).Scan(&stored)); err != nil {
		return false, fmt.Errorf("uplink text: %w", err)
	}
	return stored != nil && bytes.Equal(stored, digest(phone, text)), nil
}

// RecordArrival adds to the unit the statement that marks the text as arrived. Of two
// concurrent arrivals it marks one.
func RecordArrival(unit *pg.Unit, phone []byte, text string, now time.Time) {
	unit.Add(pg.Statement{SQL: sqlArrive, Args: []any{phone, digest(phone, text), now}})
}

// Arrived is a text that a caller brings as the proof of an intent. QueueArrived looks for it.
type Arrived struct {
	CustomerID, IntentID uuid.UUID
	DeviceID             string

	binding []byte // nil: no such text has arrived
}

// QueueArrived adds to the batch the query for the text.
func (a *Arrived) QueueArrived(batch *pgx.Batch) {
	batch.Queue(sqlArrived, a.CustomerID, a.DeviceID, a.IntentID).QueryRow(func(row pgx.Row) error {
		a.binding = nil
		return pg.Optional(row.Scan(&a.binding))
	})
}

// Proves reports whether the text has arrived, and was made for the intent's text with this digest.
func (a *Arrived) Proves(digest []byte) bool {
	return a.binding != nil && bytes.Equal(a.binding, digest)
}

// Retention keeps a text for a day after it can no longer arrive.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "uplink_text", Keep: 24 * time.Hour, SQL: sqlPrune,
		Why: "The intent that a text confirms lives at most half an hour.",
	}
}

// digest is what the bank stores of a text.
func digest(phone []byte, text string) []byte {
	zero := []byte{0}
	return sm.Digest([]byte("tidebank uplink text v1"), zero, phone, zero, []byte(text))
}
