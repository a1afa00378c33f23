package device

import (
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlGestureResealNext = `-- device.gesture_reseal_next
SELECT ARRAY[customer_id::text, device_id], ARRAY[customer_id::text, device_id], convert_to(gesture, 'UTF8') FROM device
 WHERE (customer_id, device_id) > (($1::text[])[1]::uuid, ($1::text[])[2]) AND gesture IS NOT NULL
 ORDER BY customer_id, device_id LIMIT $2`

	sqlGestureReseal = `-- device.gesture_reseal
UPDATE device d SET gesture = convert_from(n.fresh, 'UTF8')
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[], $4::text[]) AS n (old, fresh, customer, device)
 WHERE (d.customer_id, d.device_id) = (n.customer, n.device) AND d.gesture = convert_from(n.old, 'UTF8')`
)

// SealedColumns lists the sealed column of the table device. Its texts are stored like passwords
// (shared/password).
func SealedColumns() []reseal.Column {
	return []reseal.Column{{
		Name: "device.gesture", Purpose: keys.Credential, Start: []string{uuid.Nil.String(), ""},
		Next: reseal.Query{SQL: sqlGestureResealNext}, Write: reseal.Query{SQL: sqlGestureReseal},
		AAD:    func(about []string) []byte { return keys.AAD("device", "gesture", about[0]+" "+about[1]) },
		Stored: reseal.Base64,
	}}
}
