package audit

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/reseal"
)

const sqlKeyUses = `-- audit_record.key_uses
SELECT 'audit_record.hash' AS column, mac_key AS key, count(*) AS rows, 0::bigint AS damaged FROM audit_record
 GROUP BY mac_key ORDER BY mac_key`

// KeyUses counts by which key each record of the chain has its MAC. The chain is kept as it
// is, so that its keys are kept too.
func KeyUses(ctx context.Context, db pg.Reader) ([]reseal.Use, error) {
	rows, err := db.Query(ctx, sqlKeyUses)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[reseal.Use]) //nolint:wrapcheck // the Reader's rows wrap it
}
