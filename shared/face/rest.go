package face

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlForgetPerson = `-- bio_reference.forget
DELETE FROM bio_reference WHERE person = $1`

	sqlForgetResults = `-- bio_result.forget
DELETE FROM bio_result WHERE person = $1`

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

	sqlPruneResults = `-- bio_result.prune
SELECT FROM bio_prune($1, $2::timestamptz)`

	sqlReferenceResealNext = `-- bio_reference.reseal_next
SELECT ARRAY[encode(person, 'hex')], ARRAY[encode(person, 'hex')], reference_ct FROM bio_reference
 WHERE person > decode(($1::text[])[1], 'hex') ORDER BY person LIMIT $2`

	sqlReferenceReseal = `-- bio_reference.reseal
UPDATE bio_reference b SET reference_ct = n.fresh
  FROM (SELECT old, fresh, decode(person, 'hex') AS person
          FROM unnest($1::bytea[], $2::bytea[], $3::text[]) AS u (old, fresh, person)) AS n
 WHERE b.person = n.person AND b.reference_ct = n.old
   AND b.person IN (SELECT person FROM bio_reference WHERE encode(person, 'hex') = ANY ($3::text[]) FOR UPDATE SKIP LOCKED)`

	sqlResultResealNext = `-- bio_result.reseal_next
SELECT ARRAY[id::text], ARRAY[id::text], digest_ct FROM bio_result WHERE id > ($1::text[])[1]::uuid ORDER BY id LIMIT $2`

	sqlResultReseal = `-- bio_result.reseal
UPDATE bio_result b SET digest_ct = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE b.id = n.id AND b.digest_ct = n.old
   AND b.id IN (SELECT id FROM bio_result WHERE id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`

	sqlVersions = `-- face_check.versions
SELECT engine, sdk, model, count(*), max(ended_at) FROM face_check
 WHERE created_at > $1 AND ended_at IS NOT NULL AND engine <> '' GROUP BY engine, sdk, model ORDER BY 5 DESC LIMIT $2`
)

// ForgetUnconsented adds to a unit of work, after the withdrawal of a consent, the statement that deletes
// what the store holds of a customer who consents to no purpose any more.
func ForgetUnconsented(unit *pg.Unit, ring *keys.Ring, customer uuid.UUID) {
	unit.Add(pg.Statement{Call: "bio_forget_unconsented", Args: []any{customer, PersonOf(ring, customer)}})
}

// Forgetting returns what deletes the references, results, checks and counts of a customer whose
// record is erased.
func Forgetting(ring *keys.Ring) func(context.Context, pg.Writer, uuid.UUID) error {
	return func(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
		person := PersonOf(ring, customer)
		for _, statement := range []pg.Statement{
			{SQL: sqlForgetPerson, Args: []any{person}},
			{SQL: sqlForgetResults, Args: []any{person}},
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
}

const keep = 30 * 24 * time.Hour

// Retentions keep a check and the failures of a subject for 30 days, and a result until 30 days after its day began.
func Retentions() []pg.Retention {
	return []pg.Retention{
		{
			Table: "bio_result", Keep: keep, SQL: sqlPruneResults,
			Why: "As the face check that it is of.",
		},
		{
			Table: "face_attempt", Keep: keep, SQL: sqlPruneAttempts,
			Why: "Failed face checks count for a day.",
		},
		{
			Table: "face_check", Keep: keep, SQL: sqlPruneChecks,
			Why: "A face check serves an intent of ten minutes.",
		},
	}
}

// SealedColumns lists the columns of the biometric store that rest sealed.
func SealedColumns() []reseal.Column {
	return []reseal.Column{
		{
			Name: "bio_reference.reference_ct", Purpose: keys.Biometric, Start: []string{""},
			Next: reseal.Query{SQL: sqlReferenceResealNext}, Write: reseal.Query{SQL: sqlReferenceReseal},
			AAD: func(about []string) []byte { return referenceAAD(about[0]) },
		},
		{
			Name: "bio_result.digest_ct", Purpose: keys.Biometric, Start: []string{uuid.Nil.String()},
			Next: reseal.Query{SQL: sqlResultResealNext}, Write: reseal.Query{SQL: sqlResultReseal},
			AAD: func(about []string) []byte { return resultAAD(about[0]) },
		},
	}
}

// Versions are the versions that have made results.
type Versions struct {
	Engine, SDK, Model string
	Checks             int64
	LastAt             time.Time
}

// mostVersions bounds the list of versions.
const mostVersions = 50

// ListVersions returns the versions of engine, SDK and model that have made results after the
// time, the latest first (BIO-006).
func ListVersions(ctx context.Context, db pg.Reader, after time.Time) ([]Versions, error) {
	rows, err := db.Query(ctx, sqlVersions, after, mostVersions)
	if err != nil {
		return nil, fmt.Errorf("face versions: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Versions])
	if err != nil {
		return nil, fmt.Errorf("face versions: %w", err)
	}
	return list, nil
}
