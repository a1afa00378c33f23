package device

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/passkey"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const sqlPasskey = `-- device.passkey
SELECT passkey_id, passkey_public_key, passkey_count FROM device WHERE customer_id = $1 AND device_id = $2`

// PasskeyLogin is the challenge that a passkey signs at a quick login: the SM3 of QuickText.
func PasskeyLogin(id channel.ID, from Origin, challenge []byte) []byte {
	return sm.Digest(QuickText(id, from, challenge, ByPasskey))
}

// PasskeyRegistration is the challenge that a new passkey answers: the SM3 of the ASCII text
// "tidebank passkey registration v1", the channel's id, the device id and the digest of the prepared change's text,
// each preceded by its length in four bytes.
func PasskeyRegistration(id channel.ID, deviceID string, digest []byte) []byte {
	return sm.Digest(channel.Join([]byte("tidebank passkey registration v1"), id[:], []byte(deviceID), digest))
}

// StorePasskey adds to the unit the statement that stores the passkey of a customer's device, in place of
// an earlier one. The commit returns unbound if the customer has bound no key on it.
func StorePasskey(unit *pg.Unit, customer uuid.UUID, deviceID string, c passkey.Credential, unbound error) {
	unit.Add(pg.Statement{
		Call: "device_put_passkey", Args: []any{customer, deviceID, c.ID, c.PublicKey, c.Count},
		Refuse: map[string]error{"DEVICE_UNBOUND": unbound},
	})
}

// QueuePasskey adds to the batch the query for the passkey of the customer's device. Its public key is
// nil if there is none.
func QueuePasskey(batch *pgx.Batch, customer uuid.UUID, deviceID string, into *passkey.Credential) {
	batch.Queue(sqlPasskey, customer, deviceID).QueryRow(func(row pgx.Row) error {
		*into = passkey.Credential{}
		return pg.Optional(row.Scan(&into.ID, &into.PublicKey, &into.Count))
	})
}

// UsePasskey adds to the unit the statement that stores the count of a signature. The commit returns
// replayed if a signature with this count, or a later one, was accepted before.
func UsePasskey(unit *pg.Unit, customer uuid.UUID, deviceID string, signed passkey.Credential, replayed error) {
	unit.Add(pg.Statement{
		Call: "device_use_passkey", Args: []any{customer, deviceID, signed.ID, signed.Count},
		Refuse: map[string]error{"PASSKEY_REPLAYED": replayed},
	})
}
