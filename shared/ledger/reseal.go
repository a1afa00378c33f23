package ledger

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlNumberResealNext = `-- account.number_reseal_next
SELECT ARRAY[id::text], ARRAY[id::text], no_ct FROM account WHERE id > ($1::text[])[1]::uuid AND no_ct <> ''
 ORDER BY id LIMIT $2`

	sqlNumberReseal = `-- account.number_reseal
UPDATE account a SET no_ct = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE a.id = n.id AND a.no_ct = n.old
   AND a.id IN (SELECT id FROM account WHERE id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`

	sqlAliasResealNext = `-- account.alias_reseal_next
SELECT ARRAY[id::text], ARRAY[id::text], alias_ct FROM account WHERE id > ($1::text[])[1]::uuid AND alias_ct <> ''
 ORDER BY id LIMIT $2`

	sqlAliasReseal = `-- account.alias_reseal
UPDATE account a SET alias_ct = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE a.id = n.id AND a.alias_ct = n.old
   AND a.id IN (SELECT id FROM account WHERE id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`

	sqlCardResealNext = `-- account.card_reseal_next
SELECT ARRAY[id::text], ARRAY[id::text], convert_to(card_password, 'UTF8') FROM account
 WHERE id > ($1::text[])[1]::uuid AND card_password IS NOT NULL ORDER BY id LIMIT $2`

	sqlCardReseal = `-- account.card_reseal
UPDATE account a SET card_password = convert_from(n.fresh, 'UTF8')
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[]) AS n (old, fresh, id)
 WHERE a.id = n.id AND a.card_password = convert_from(n.old, 'UTF8')
   AND a.id IN (SELECT id FROM account WHERE id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`

	sqlMemoResealNext = `-- entry.reseal_next
SELECT ARRAY[account_id::text, number::text], ARRAY[posting_id::text, account_id::text], memo_ct FROM entry
 WHERE (account_id, number) > (($1::text[])[1]::uuid, ($1::text[])[2]::bigint) AND memo_ct <> ''
 ORDER BY account_id, number LIMIT $2`

	sqlMemoReseal = `-- entry.reseal
UPDATE entry e SET memo_ct = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[], $4::text[]::bigint[]) AS n (old, fresh, account_id, number)
 WHERE e.account_id = n.account_id AND e.number = n.number AND e.memo_ct = n.old`
)

// SealedColumns lists the columns of accounts and entries whose texts rest sealed.
func SealedColumns() []reseal.Column {
	start := []string{uuid.Nil.String()}
	return []reseal.Column{
		{
			Name: "account.no_ct", Purpose: keys.Storage, Start: start,
			Next: reseal.Query{SQL: sqlNumberResealNext}, Write: reseal.Query{SQL: sqlNumberReseal},
			AAD: func(about []string) []byte { return keys.AAD("account", "no_ct", about[0]) },
		},
		{
			Name: "account.alias_ct", Purpose: keys.Storage, Start: start,
			Next: reseal.Query{SQL: sqlAliasResealNext}, Write: reseal.Query{SQL: sqlAliasReseal},
			AAD: func(about []string) []byte { return keys.AAD("account", "alias_ct", about[0]) },
		},
		{
			Name: "account.card_password", Purpose: keys.Credential, Start: start,
			Next: reseal.Query{SQL: sqlCardResealNext}, Write: reseal.Query{SQL: sqlCardReseal},
			AAD:    func(about []string) []byte { return keys.AAD("account", "card_password", about[0]) },
			Stored: reseal.Base64,
		},
		{
			Name: "entry.memo_ct", Purpose: keys.Storage, Start: []string{uuid.Nil.String(), "0"},
			Next: reseal.Query{SQL: sqlMemoResealNext}, Write: reseal.Query{SQL: sqlMemoReseal},
			AAD: func(about []string) []byte { return keys.AAD("entry", "memo_ct", about[0]+" "+about[1]) },
		},
	}
}

const sqlKeyUses = `-- posting.key_uses
SELECT 'posting.mac' AS column, mac_key AS key, count(*) AS rows, 0::bigint AS damaged FROM posting GROUP BY mac_key
 ORDER BY mac_key`

// KeyUses counts by which key each posting has its MAC. Postings are kept as they are, so
// that their keys are kept too.
func KeyUses(ctx context.Context, db pg.Reader) ([]reseal.Use, error) {
	rows, err := db.Query(ctx, sqlKeyUses)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[reseal.Use]) //nolint:wrapcheck // the Reader's rows wrap it
}
