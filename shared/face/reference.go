package face

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlReference = `-- face_reference.put
INSERT INTO face_reference (customer_id, handle, kind, taken_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer_id) DO UPDATE SET handle = excluded.handle, kind = excluded.kind, taken_at = excluded.taken_at`

	sqlForgetReference = `-- face_reference.forget
DELETE FROM face_reference WHERE customer_id = $1`

	sqlForgetChecks = `-- face_check.forget
DELETE FROM face_check WHERE customer_id = $1`

	sqlForgetAttempts = `-- face_attempt.forget
DELETE FROM face_attempt WHERE subject = $1`

	sqlPruneChecks = `-- face_check.prune
DELETE FROM face_check WHERE id IN (SELECT id FROM face_check WHERE created_at < $2::timestamptz LIMIT $1)`

	sqlPruneAttempts = `-- face_attempt.prune
DELETE FROM face_attempt WHERE subject IN (SELECT subject FROM face_attempt WHERE last_at < $2::timestamptz LIMIT $1)`
)

// Kind says where a reference photo comes from. The table's CHECK lists the same kinds.
type Kind string

// The kinds.
const (
	OnlineCheck Kind = "online_check" // the photo of the online identity check
	Counter     Kind = "counter"      // taken at the bank's counter
)

// Reference is a customer's reference photo, which the engine holds under the handle.
type Reference struct {
	Handle  uuid.UUID // random: the engine learns nothing of the customer by it
	Kind    Kind
	TakenAt time.Time
}

// Policy bounds the age of reference photos.
type Policy struct {
	MaxAge time.Duration `envconfig:"FACE_REFERENCE_MAX_AGE" default:"17520h" min:"24h" max:"175200h"`
}

// Oldest returns the time after which a reference photo must have been taken.
func (p Policy) Oldest(now time.Time) time.Time { return now.Add(-p.MaxAge) }

// Refer adds to the unit the statement that makes the photo the customer's reference, in place
// of an earlier one.
func Refer(unit *pg.Unit, customer uuid.UUID, r Reference) {
	unit.Add(pg.Statement{SQL: sqlReference, Args: []any{customer, r.Handle, r.Kind, r.TakenAt}})
}

// Forget deletes the reference, checks and counts of a customer whose record is erased.
func Forget(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	for _, statement := range []pg.Statement{
		{SQL: sqlForgetReference, Args: []any{customer}},
		{SQL: sqlForgetChecks, Args: []any{customer}},
		{SQL: sqlForgetAttempts, Args: []any{ofCustomer(customer)}},
	} {
		if err := to.Write(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// Retentions keep a check and the failures of a subject for 30 days.
func Retentions() []pg.Retention {
	return []pg.Retention{
		{
			Table: "face_attempt", Keep: 30 * 24 * time.Hour, SQL: sqlPruneAttempts,
			Why: "Failed face checks count for a day.",
		},
		{
			Table: "face_check", Keep: 30 * 24 * time.Hour, SQL: sqlPruneChecks,
			Why: "A face check serves an intent of ten minutes.",
		},
	}
}
