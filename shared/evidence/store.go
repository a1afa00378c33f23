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
	sqlStore = `-- evidence.store
INSERT INTO evidence (id, customer_id, operation, text_ct, signed_data, certificate_id, list_digest, verified_at, mac, mac_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

	sqlEvidence = `-- evidence.read
SELECT e.id, e.customer_id, e.operation, e.text_ct, e.signed_data, c.der, c.chain, e.list_digest, l.der, e.verified_at, e.mac, e.mac_key
  FROM evidence e JOIN certificate c ON c.id = e.certificate_id JOIN revocation_list l ON l.digest = e.list_digest
 WHERE e.id = $1`

	sqlTextResealNext = `-- evidence.text_reseal_next
SELECT ARRAY[id::text], ARRAY[id::text], text_ct FROM evidence WHERE id > ($1::text[])[1]::uuid ORDER BY id LIMIT $2`

	sqlTextReseal = `-- evidence.text_reseal
UPDATE evidence e SET text_ct = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE e.id = n.id AND e.text_ct = n.old
   AND e.id IN (SELECT id FROM evidence WHERE id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`

	sqlKeyUses = `-- evidence.key_uses
SELECT 'evidence.mac' AS column, mac_key AS key, count(*) AS rows, 0::bigint AS damaged FROM evidence
 GROUP BY mac_key ORDER BY mac_key`
)

func aad(id string) []byte { return keys.AAD("evidence", "text_ct", id) }

// StoreEvidence returns the statement that stores the record, with the bank's MAC. certificate is the id
// of its certificate (table certificate).
func (r Record) StoreEvidence(ring *keys.Ring, certificate uuid.UUID) (pg.Statement, error) {
	text, err := ring.Seal(keys.Storage, aad(r.ID.String()), []byte(r.Text))
	if err != nil {
		return pg.Statement{}, fmt.Errorf("seal evidence: %w", err)
	}
	r.VerifiedAt = r.VerifiedAt.Truncate(time.Microsecond) // PostgreSQL stores microseconds
	mac, key := ring.MAC(keys.Evidence, r.covered()...)
	return pg.Statement{SQL: sqlStore, Args: []any{
		r.ID, r.CustomerID, r.Operation, text, r.SignedData, certificate, r.ListDigest, r.VerifiedAt, mac, key,
	}}, nil
}

// Read reads the evidence of an operation; bankerr.ErrNotFound if there is none.
func Read(ctx context.Context, db pg.Reader, ring *keys.Ring, id uuid.UUID) (Record, error) {
	var r Record
	var text []byte
	err := db.QueryRow(ctx, sqlEvidence, id).Scan(&r.ID, &r.CustomerID, &r.Operation, &text, &r.SignedData, &r.Certificate,
		&r.Chain, &r.ListDigest, &r.List, &r.VerifiedAt, &r.MAC, &r.MACKey)
	if errors.Is(err, pgx.ErrNoRows) {
		return Record{}, bankerr.ErrNotFound
	}
	if err != nil {
		return Record{}, fmt.Errorf("read evidence: %w", err)
	}
	clear, err := ring.Open(keys.Storage, aad(r.ID.String()), text)
	if err != nil {
		return Record{}, fmt.Errorf("open evidence: %w", err)
	}
	r.Text = string(clear)
	return r, nil
}

// SealedColumns lists the column of the table whose texts rest sealed.
func SealedColumns() []reseal.Column {
	return []reseal.Column{{
		Name: "evidence.text_ct", Purpose: keys.Storage, Start: []string{uuid.Nil.String()},
		Next: reseal.Query{SQL: sqlTextResealNext}, Write: reseal.Query{SQL: sqlTextReseal},
		AAD: func(about []string) []byte { return aad(about[0]) },
	}}
}

// KeyUses counts by which key each record has its MAC. Records are kept as they are, so that
// their keys are kept too.
func KeyUses(ctx context.Context, db pg.Reader) ([]reseal.Use, error) {
	rows, err := db.Query(ctx, sqlKeyUses)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[reseal.Use]) //nolint:wrapcheck // the Reader's rows wrap it
}
