package evidence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlStoreChange = `-- change_evidence.store
INSERT INTO change_evidence (id, customer_id, operation, content_ct, certificate, signature, signed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)`

	sqlChange = `-- change_evidence.read
SELECT content_ct, certificate, signature FROM change_evidence WHERE id = $1`

	sqlChangesOf = `-- change_evidence.of
SELECT id, operation, signed_at FROM change_evidence WHERE customer_id = $1 ORDER BY signed_at DESC, id DESC LIMIT $2`

	sqlContentResealNext = `-- change_evidence.content_reseal_next
SELECT ARRAY[id::text], ARRAY[id::text], content_ct FROM change_evidence WHERE id > ($1::text[])[1]::uuid ORDER BY id LIMIT $2`

	sqlContentReseal = `-- change_evidence.content_reseal
UPDATE change_evidence e SET content_ct = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE e.id = n.id AND e.content_ct = n.old
   AND e.id IN (SELECT id FROM change_evidence WHERE id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`
)

func changeAAD(id string) []byte { return keys.AAD("change_evidence", "content_ct", id) }

// StoreChange returns the statement that stores the evidence, signed by the bank. The ring holds the purposes Evidence and
// Storage.
func (s Signed) StoreChange(ring *keys.Ring) (pg.Statement, error) {
	c, err := s.attest(ring)
	if err != nil {
		return pg.Statement{}, err
	}
	sealed, err := ring.Seal(keys.Storage, changeAAD(s.ID.String()), []byte(c.Content))
	if err != nil {
		return pg.Statement{}, fmt.Errorf("seal evidence: %w", err)
	}
	return pg.Statement{SQL: sqlStoreChange, Args: []any{
		s.ID, s.CustomerID, s.Operation, sealed, c.Certificate, c.Signature, s.At.UTC().Truncate(time.Microsecond),
	}}, nil
}

// ReadChange reads the evidence of a change; bankerr.ErrNotFound if there is none.
func ReadChange(ctx context.Context, db pg.Reader, ring *keys.Ring, id uuid.UUID) (Change, error) {
	var c Change
	var sealed []byte
	err := db.QueryRow(ctx, sqlChange, id).Scan(&sealed, &c.Certificate, &c.Signature)
	if errors.Is(err, pgx.ErrNoRows) {
		return Change{}, bankerr.ErrNotFound
	}
	if err != nil {
		return Change{}, fmt.Errorf("read evidence: %w", err)
	}
	clear, err := ring.Open(keys.Storage, changeAAD(id.String()), sealed)
	if err != nil {
		return Change{}, fmt.Errorf("open evidence: %w", err)
	}
	c.Content = string(clear)
	return c, nil
}

// Listed is one change of a customer.
type Listed struct {
	ID        uuid.UUID
	Operation string
	SignedAt  time.Time
}

// ChangesOf lists the customer's newest changes, the newest first, 1,000 at most.
func ChangesOf(ctx context.Context, db pg.Reader, customer uuid.UUID) ([]Listed, error) {
	rows, err := db.Query(ctx, sqlChangesOf, customer, 1000)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Listed]) //nolint:wrapcheck // the Reader's rows wrap it
}

// changeColumn is the column whose texts rest sealed.
func changeColumn() reseal.Column {
	return reseal.Column{
		Name: "change_evidence.content_ct", Purpose: keys.Storage, Start: []string{uuid.Nil.String()},
		Next: reseal.Query{SQL: sqlContentResealNext}, Write: reseal.Query{SQL: sqlContentReseal},
		AAD: func(about []string) []byte { return changeAAD(about[0]) },
	}
}
