package idem

import (
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlResealNext = `-- idempotency.reseal_next
SELECT ARRAY[caller, operation, key], ARRAY[caller, operation, key], reply FROM idempotency
 WHERE (caller, operation, key) > (($1::text[])[1], ($1::text[])[2], ($1::text[])[3])
 ORDER BY caller, operation, key LIMIT $2`

	sqlReseal = `-- idempotency.reseal
UPDATE idempotency i SET reply = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::text[]) AS n (old, fresh, caller, operation, key)
 WHERE (i.caller, i.operation, i.key) = (n.caller, n.operation, n.key) AND i.reply = n.old`
)

// SealedColumns lists the sealed column of the table idempotency. Replies of earlier
// releases rest in clear as JSON, which begins with no suite of a key.
func SealedColumns() []reseal.Column {
	return []reseal.Column{{
		Name: "idempotency.reply", Purpose: keys.Storage, Start: []string{"", "", ""},
		Next: reseal.Query{SQL: sqlResealNext}, Write: reseal.Query{SQL: sqlReseal},
		AAD: func(about []string) []byte {
			return Ticket{Caller: about[0], Operation: about[1], Key: about[2]}.place()
		},
	}}
}
