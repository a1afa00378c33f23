package staff

import (
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlResealNext = `-- staff_password.reseal_next
SELECT ARRAY[staff_id::text, set_at::text], ARRAY[staff_id::text], convert_to(password, 'UTF8') FROM staff_password
 WHERE (staff_id, set_at) > (($1::text[])[1]::uuid, ($1::text[])[2]::timestamptz) ORDER BY staff_id, set_at LIMIT $2`

	sqlReseal = `-- staff_password.reseal
UPDATE staff_password p SET password = convert_from(n.fresh, 'UTF8')
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[], $4::text[]::timestamptz[]) AS n (old, fresh, id, set_at)
 WHERE p.staff_id = n.id AND p.set_at = n.set_at AND p.password = convert_from(n.old, 'UTF8')
   AND (p.staff_id, p.set_at) IN (
       SELECT staff_id, set_at FROM staff_password WHERE staff_id = ANY ($3::text[]::uuid[]) FOR UPDATE SKIP LOCKED)`
)

// SealedColumns lists the column with the members' passwords.
func SealedColumns() []reseal.Column {
	return []reseal.Column{{
		Name: "staff_password.password", Purpose: keys.Credential, Start: []string{uuid.Nil.String(), "-infinity"},
		Next: reseal.Query{SQL: sqlResealNext}, Write: reseal.Query{SQL: sqlReseal},
		AAD:    func(about []string) []byte { return keys.AAD("staff_password", "password", about[0]) },
		Stored: reseal.Base64,
	}}
}
