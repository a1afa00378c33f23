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

	sqlPINResealNext = `-- device.pin_reseal_next
SELECT ARRAY[customer_id::text, device_id], ARRAY[customer_id::text, device_id], convert_to(pin, 'UTF8') FROM device
 WHERE (customer_id, device_id) > (($1::text[])[1]::uuid, ($1::text[])[2]) AND pin IS NOT NULL
 ORDER BY customer_id, device_id LIMIT $2`

	sqlPINReseal = `-- device.pin_reseal
UPDATE device d SET pin = convert_from(n.fresh, 'UTF8')
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]::uuid[], $4::text[]) AS n (old, fresh, customer, device)
 WHERE (d.customer_id, d.device_id) = (n.customer, n.device) AND d.pin = convert_from(n.old, 'UTF8')`
)

// SealedColumns lists the sealed columns of the table device. Their texts are stored like passwords
// (shared/password).
func SealedColumns() []reseal.Column {
	start := []string{uuid.Nil.String(), ""}
	return []reseal.Column{
		{
			Name: "device.gesture", Purpose: keys.Credential, Start: start,
			Next: reseal.Query{SQL: sqlGestureResealNext}, Write: reseal.Query{SQL: sqlGestureReseal},
			AAD:    func(about []string) []byte { return keys.AAD("device", "gesture", about[0]+" "+about[1]) },
			Stored: reseal.Base64,
		},
		{
			Name: "device.pin", Purpose: keys.Credential, Start: start,
			Next: reseal.Query{SQL: sqlPINResealNext}, Write: reseal.Query{SQL: sqlPINReseal},
			AAD:    func(about []string) []byte { return keys.AAD("device", "pin", about[0]+" "+about[1]) },
			Stored: reseal.Base64,
		},
	}
}
