package customer

import (
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlResealNext = `-- customer.reseal_next
SELECT ARRAY[id::text], ARRAY[]::text[], data_key FROM customer WHERE id > ($1::text[])[1]::uuid AND data_key <> ''
 ORDER BY id LIMIT $2`

	sqlReseal = `-- customer.reseal
UPDATE customer c SET data_key = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE c.id = n.id AND c.data_key = n.old
   AND c.id IN (SELECT id FROM customer WHERE id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`
)

// SealedColumns lists the columns of the table customer whose texts a key of the bank has
// sealed: the data keys. A customer's data key seals the other texts, and stays the same.
func SealedColumns() []reseal.Column {
	return []reseal.Column{{
		Name: "customer.data_key", Purpose: keys.Storage, Start: []string{uuid.Nil.String()},
		Next: reseal.Query{SQL: sqlResealNext}, Write: reseal.Query{SQL: sqlReseal},
		AAD: func([]string) []byte { return keys.DataKeyAAD() },
	}}
}
