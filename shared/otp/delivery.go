package otp

import (
	"context"
	"fmt"
	"time"

	"github.com/tidebank/tidebank/shared/pg"
)

// Delivery is what has become of the sending of a code.
type Delivery string

// The states.
const (
	Sending Delivery = "sending" // no gateway has taken it yet
	Sent    Delivery = "sent"    // the gateway has taken it
	Failed  Delivery = "failed"  // the gateway has refused it, or nobody has taken it for too long
)

// sendingLife is how long a code may wait for a gateway before its customer is told that it has failed.
const sendingLife = 10 * time.Second

const (
	// The nonce makes sure that a late sending changes nothing about a newer code.
	sqlRecordSent = `-- otp.record_sent
UPDATE otp_challenge SET sent_nonce = nonce WHERE subject = $1 AND nonce = $2`

	sqlRecordRefused = `-- otp.record_refused
UPDATE otp_challenge SET refused_nonce = nonce WHERE subject = $1 AND nonce = $2`

	sqlDelivery = `-- otp.delivery
SELECT coalesce(sent_nonce = nonce, false), coalesce(refused_nonce = nonce, false), issued_at
  FROM otp_challenge WHERE subject = $1 AND expires_at > $2`
)

// RecordDelivery stores that the gateway has taken the code of the subject's challenge, or has refused
// it for good.
func (i Issued) RecordDelivery(ctx context.Context, to pg.Writer, subject string, taken bool) error {
	sql := sqlRecordRefused
	if taken {
		sql = sqlRecordSent
	}
	return to.Write(ctx, pg.Statement{SQL: sql, Args: []any{subject, i.nonce}})
}

// ReadDelivery reads what has become of the sending of the subject's present code. It returns Failed if
// there is no valid code.
func ReadDelivery(ctx context.Context, db pg.Reader, subject string, now time.Time) (Delivery, error) {
	var sent, refused bool
	var at time.Time
	if err := pg.Optional(db.QueryRow(ctx, sqlDelivery, subject, now).Scan(&sent, &refused, &at)); err != nil {
		return "", fmt.Errorf("delivery of a code: %w", err)
	}
	switch {
	case sent:
		return Sent, nil
	case refused || now.Sub(at) >= sendingLife:
		return Failed, nil
	}
	return Sending, nil
}
