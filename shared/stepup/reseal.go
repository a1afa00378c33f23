package stepup

import (
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlPayloadResealNext = `-- intent.payload_reseal_next
SELECT ARRAY[id::text], ARRAY[id::text], payload_ct FROM intent WHERE id > ($1::text[])[1]::uuid ORDER BY id LIMIT $2`

	sqlPayloadReseal = `-- intent.payload_reseal
UPDATE intent i SET payload_ct = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE i.id = n.id AND i.payload_ct = n.old
   AND i.id IN (SELECT id FROM intent WHERE id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`

	sqlTextResealNext = `-- intent.text_reseal_next
SELECT ARRAY[id::text], ARRAY[id::text], text_ct FROM intent WHERE id > ($1::text[])[1]::uuid ORDER BY id LIMIT $2`

	sqlTextReseal = `-- intent.text_reseal
UPDATE intent i SET text_ct = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE i.id = n.id AND i.text_ct = n.old
   AND i.id IN (SELECT id FROM intent WHERE id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`
)

// SealedColumns lists the columns of the table intent whose texts rest sealed.
func SealedColumns() []reseal.Column {
	start := []string{uuid.Nil.String()}
	return []reseal.Column{
		{
			Name: "intent.payload_ct", Purpose: keys.Storage, Start: start,
			Next: reseal.Query{SQL: sqlPayloadResealNext}, Write: reseal.Query{SQL: sqlPayloadReseal},
			AAD: func(about []string) []byte { return keys.AAD("intent", "payload_ct", about[0]) },
		},
		{
			Name: "intent.text_ct", Purpose: keys.Storage, Start: start,
			Next: reseal.Query{SQL: sqlTextResealNext}, Write: reseal.Query{SQL: sqlTextReseal},
			AAD: func(about []string) []byte { return keys.AAD("intent", "text_ct", about[0]) },
		},
	}
}
