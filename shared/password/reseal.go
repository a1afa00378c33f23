package password

import (
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlLoginResealNext = `-- credential.login_reseal_next
SELECT ARRAY[customer_id::text], ARRAY[customer_id::text], convert_to(login_password, 'UTF8') FROM credential
 WHERE customer_id > ($1::text[])[1]::uuid AND login_password IS NOT NULL ORDER BY customer_id LIMIT $2`

	sqlLoginReseal = `-- credential.login_reseal
UPDATE credential c SET login_password = convert_from(n.fresh, 'UTF8')
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE c.customer_id = n.id AND c.login_password = convert_from(n.old, 'UTF8')
   AND c.customer_id IN (SELECT customer_id FROM credential WHERE customer_id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`

	sqlTradeResealNext = `-- credential.trade_reseal_next
SELECT ARRAY[customer_id::text], ARRAY[customer_id::text], convert_to(trade_password, 'UTF8') FROM credential
 WHERE customer_id > ($1::text[])[1]::uuid AND trade_password IS NOT NULL ORDER BY customer_id LIMIT $2`

	sqlTradeReseal = `-- credential.trade_reseal
UPDATE credential c SET trade_password = convert_from(n.fresh, 'UTF8')
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE c.customer_id = n.id AND c.trade_password = convert_from(n.old, 'UTF8')
   AND c.customer_id IN (SELECT customer_id FROM credential WHERE customer_id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`
)

// SealedColumns lists the columns of the table credential. Their texts go to a newer key of
// the purpose Credential. Only the customer's next right guess brings a newer pepper.
func SealedColumns() []reseal.Column {
	start := []string{uuid.Nil.String()}
	return []reseal.Column{
		{
			Name: "credential.login_password", Purpose: keys.Credential, Start: start,
			Next: reseal.Query{SQL: sqlLoginResealNext}, Write: reseal.Query{SQL: sqlLoginReseal},
			AAD:    func(about []string) []byte { return keys.AAD("credential", "login_password", about[0]) },
			Stored: reseal.Base64,
		},
		{
			Name: "credential.trade_password", Purpose: keys.Credential, Start: start,
			Next: reseal.Query{SQL: sqlTradeResealNext}, Write: reseal.Query{SQL: sqlTradeReseal},
			AAD:    func(about []string) []byte { return keys.AAD("credential", "trade_password", about[0]) },
			Stored: reseal.Base64,
		},
	}
}
