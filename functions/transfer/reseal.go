package transfer

import (
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlResealNext = `-- transfer.reseal_next
SELECT ARRAY[id::text], ARRAY[id::text], detail_ct FROM transfer WHERE id > ($1::text[])[1]::uuid ORDER BY id LIMIT $2`

	sqlReseal = `-- transfer.reseal
UPDATE transfer t SET detail_ct = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE t.id = n.id AND t.detail_ct = n.old`
)

// SealedColumns lists the sealed column of the table transfer.
func SealedColumns() []reseal.Column {
	return []reseal.Column{{
		Name: "transfer.detail_ct", Purpose: keys.Storage, Start: []string{uuid.Nil.String()},
		Next: reseal.Query{SQL: sqlResealNext}, Write: reseal.Query{SQL: sqlReseal},
		AAD: func(about []string) []byte { return keys.AAD("transfer", "detail_ct", about[0]) },
	}}
}
