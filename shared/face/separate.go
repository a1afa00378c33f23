package face

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlOldReferences = `-- face_reference.next
SELECT customer_id, handle, kind, taken_at FROM face_reference WHERE customer_id > $1 ORDER BY customer_id LIMIT $2 FOR UPDATE`

	sqlMoveReference = `-- bio_reference.move
INSERT INTO bio_reference (person, reference_ct, taken_at) VALUES ($1, $2, $3) ON CONFLICT (person) DO NOTHING`

	sqlOldReferenceDelete = `-- face_reference.delete
DELETE FROM face_reference WHERE customer_id = $1`

	sqlOldDigests = `-- face_check.next_digest
SELECT id, customer_id, template_digest, ended_at FROM face_check WHERE template_digest <> '' AND ended_at IS NOT NULL AND id > $1
 ORDER BY id LIMIT $2 FOR UPDATE`

	sqlOldDigestClear = `-- face_check.clear_digest
UPDATE face_check SET template_digest = '' WHERE id = $1`

	separateBatch = 500
)

// oldDigest is a digest in the row of its check.
type oldDigest struct {
	Check, Customer uuid.UUID
	Digest          []byte
	EndedAt         time.Time
}

// Separation moves what an earlier release has stored beside customers' ids into the biometric
// store (BIO-008). It may be broken off and run again, and runs beside the bank.
type Separation struct {
	DB   *pg.DB
	Ring *keys.Ring
	// Finish deletes what has moved. Instances of the earlier release then find no reference.
	Finish bool

	References, Digests int64 // that this run has read
}

// Separate moves the references and, with Finish, the digests of templates.
func (s *Separation) Separate(ctx context.Context) error {
	if err := s.walk(ctx, s.references); err != nil || !s.Finish {
		return err
	}
	return s.walk(ctx, s.digests)
}

// walk calls move for the rows after the last one, in a transaction of its own each time, until
// there is none.
func (s *Separation) walk(ctx context.Context, move func(context.Context, pg.Tx, uuid.UUID) (uuid.UUID, error)) error {
	var last uuid.UUID
	for {
		err := s.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) (err error) {
			last, err = move(ctx, tx, last)
			return err
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("separate: %w", err)
		}
	}
}

func (s *Separation) references(ctx context.Context, tx pg.Tx, last uuid.UUID) (uuid.UUID, error) {
	rows, err := tx.Query(ctx, sqlOldReferences, last, separateBatch)
	if err != nil {
		return last, err
	}
	type old struct {
		Customer uuid.UUID
		Photo    Reference
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o old, err error) {
		return o, row.Scan(&o.Customer, &o.Photo.Handle, &o.Photo.Kind, &o.Photo.TakenAt)
	})
	if err != nil {
		return last, err //nolint:wrapcheck // as above
	}
	if len(list) == 0 {
		return last, pgx.ErrNoRows
	}
	for _, o := range list {
		person := PersonOf(s.Ring, o.Customer)
		sealed, err := o.Photo.seal(s.Ring, person)
		if err != nil {
			return last, err
		}
		if _, err := tx.Exec(ctx, sqlMoveReference, person, sealed, o.Photo.TakenAt); err != nil {
			return last, err
		}
		if s.Finish {
			if _, err := tx.Exec(ctx, sqlOldReferenceDelete, o.Customer); err != nil {
				return last, err
			}
		}
	}
	s.References += int64(len(list))
	return list[len(list)-1].Customer, nil
}

func (s *Separation) digests(ctx context.Context, tx pg.Tx, last uuid.UUID) (uuid.UUID, error) {
	rows, err := tx.Query(ctx, sqlOldDigests, last, separateBatch)
	if err != nil {
		return last, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[oldDigest])
	if err != nil {
		return last, err //nolint:wrapcheck // as above
	}
	if len(list) == 0 {
		return last, pgx.ErrNoRows
	}
	for _, o := range list {
		var unit pg.Unit
		if err := keepResult(&unit, s.Ring, PersonOf(s.Ring, o.Customer), o.Digest, o.EndedAt); err != nil {
			return last, err
		}
		for statement := range unit.All() {
			if err := tx.Write(ctx, statement); err != nil {
				return last, err
			}
		}
		if _, err := tx.Exec(ctx, sqlOldDigestClear, o.Check); err != nil {
			return last, err
		}
	}
	s.Digests += int64(len(list))
	return list[len(list)-1].Check, nil
}
