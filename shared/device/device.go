// Package device owns the tables device, the public keys of customers' phones with the ways to
// log in quickly there, and login_challenge.
//
// A customer has one key for each device. A key proves that its device has it by a
// signature over Text, which names a channel, so no signature can be used again on
// another channel. Binding a key again replaces the device's key; the caller has
// demanded a step-up before. A key that was bound in the last 24 hours is young: it
// confirms less (QueueState). A customer may lock the log-in to one device (LockLogin). On a
// bound device the customer may set a gesture, and keys that a fingerprint or a face unlocks, and
// log in quickly by one of them (QuickAttempt); they end with the bound key. Keys are
// SM2, PKIX DER. Source: AUTH-005, AUTH-020, BIO-012, DEVICE-001, DEVICE-010.
package device

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	sqlBind = `-- device.bind
INSERT INTO device (customer_id, device_id, public_key, bound_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer_id, device_id) DO UPDATE
   SET public_key = $3, bound_at = $4, proved = true, gesture = NULL, gesture_failures = 0, fingerprint_key = NULL, face_key = NULL`

	sqlNoteLogin = `-- device.note_login
UPDATE device SET proved = $3, gesture_failures = CASE WHEN $3 THEN 0 ELSE gesture_failures END
 WHERE customer_id = $1 AND device_id = $2 AND (proved <> $3 OR $3 AND gesture_failures > 0)`

	sqlKnown = `-- device.known
SELECT EXISTS (
    SELECT 1 FROM customer c JOIN device d ON d.customer_id = c.id
     WHERE (c.phone_bidx = $1 OR c.alias_bidx = $1) AND d.device_id = $2 AND d.public_key = $3)`

	sqlByPhone = `-- device.by_phone
SELECT d.public_key FROM customer c JOIN device d ON d.customer_id = c.id
 WHERE (c.phone_bidx = $1 OR c.alias_bidx = $1) AND d.device_id = $2`

	sqlYoung = `-- device.young
SELECT policy_value('device.young_day_cap', $4), coalesce(d.proved, false),
       coalesce(d.bound_at > $3::timestamptz - make_interval(secs => policy_value('device.young_seconds', $4)), true),
       d.fingerprint_key IS NOT NULL OR d.face_key IS NOT NULL
  FROM (SELECT 1) one LEFT JOIN device d ON d.customer_id = $1 AND d.device_id = $2`

	sqlList = `-- device.list
SELECT device_id, bound_at, locked FROM device WHERE customer_id = $1 ORDER BY bound_at DESC, device_id LIMIT 100`

	sqlBoundKey = `-- device.bound_key
SELECT public_key FROM device WHERE customer_id = $1 AND device_id = $2`

	sqlUnlock = `-- device.unlock
UPDATE device SET locked = false WHERE customer_id = $1 AND locked`
)

// ErrLocked refuses a log-in on another device than the one to which the customer has locked
// it, and the unbinding of that one.
var ErrLocked = bankerr.New(bankerr.Refused, "DEVICE_LOCKED")

// Key is the key of a customer's device.
type Key struct {
	CustomerID uuid.UUID
	DeviceID   string
	Public     []byte // SM2, PKIX DER
	BoundAt    time.Time
	Locked     bool // the customer logs in on this device only; Bind does not read it
}

// Bind stores the key. It replaces an earlier key of the same customer and device, with all that
// belonged to it.
func Bind(ctx context.Context, to pg.Writer, k Key) error {
	return to.Write(ctx, pg.Statement{SQL: sqlBind, Args: []any{k.CustomerID, k.DeviceID, k.Public, k.BoundAt}})
}

// NoteLogin stores, at a login by password, whether it proved the key that is bound on its device. A
// device counts as bound only while its last login did (State). A proved login forgets the wrong
// gestures there, and so ends the gesture's lock.
func NoteLogin(ctx context.Context, to pg.Writer, customer uuid.UUID, deviceID string, proved bool) error {
	return to.Write(ctx, pg.Statement{SQL: sqlNoteLogin, Args: []any{customer, deviceID, proved}})
}

// ListBound returns the customer's bound devices, newest first, at most 100. It leaves out
// their public keys.
func ListBound(ctx context.Context, db pg.Reader, customer uuid.UUID) ([]Key, error) {
	rows, err := db.Query(ctx, sqlList, customer)
	if err != nil {
		return nil, fmt.Errorf("bound devices: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
		k := Key{CustomerID: customer}
		err := row.Scan(&k.DeviceID, &k.BoundAt, &k.Locked)
		return k, err //nolint:wrapcheck // wrapped below
	})
	if err != nil {
		return nil, fmt.Errorf("bound devices: %w", err)
	}
	return list, nil
}

// Unbind adds to the unit the statement that forgets the device's key. The commit returns
// OBJECT_NOT_FOUND if the customer has bound none on it, and ErrLocked if the log-in is
// locked to it.
func Unbind(unit *pg.Unit, customer uuid.UUID, deviceID string) {
	unit.Add(pg.Statement{
		Call: "device_drop_key", Args: []any{customer, deviceID},
		Refuse: map[string]error{"DEVICE_NONE": bankerr.ErrNotFound, ErrLocked.Code(): ErrLocked},
	})
}

// LockLogin adds to the unit the statement that locks the customer's log-in to the device.
// The commit returns unbound if the customer has bound no key on it.
func LockLogin(unit *pg.Unit, customer uuid.UUID, deviceID string, unbound error) {
	unit.Add(pg.Statement{
		Call: "device_set_lock", Args: []any{customer, deviceID}, Refuse: map[string]error{"DEVICE_UNBOUND": unbound},
	})
}

// UnlockLogin releases the lock of the customer's log-in. It changes nothing without a lock.
func UnlockLogin(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlUnlock, Args: []any{customer}})
}

// BoundKey returns the public key that the customer has bound on the device; nil if there is
// none.
func BoundKey(ctx context.Context, db pg.Reader, customer uuid.UUID, deviceID string) ([]byte, error) {
	var public []byte
	if err := pg.Optional(db.QueryRow(ctx, sqlBoundKey, customer, deviceID).Scan(&public)); err != nil {
		return nil, fmt.Errorf("bound key: %w", err)
	}
	return public, nil
}

// Text is what a device's key signs on a channel to prove itself, or to name the key
// that may replace it: the ASCII text "tidebank device key v1", the channel's id, the
// device id and the public key, each preceded by its length in four bytes.
func Text(id channel.ID, deviceID string, public []byte) []byte {
	return channel.Join([]byte("tidebank device key v1"), id[:], []byte(deviceID), public)
}

// Signed reports whether the signature over the text is by the public key.
func Signed(public, text, signature []byte) bool {
	key, err := sm.ParsePublicKey(public)
	return err == nil && sm.Verify(key, text, signature) == nil
}

// Origin is what the bank counts a caller by before login. A hello only claims a device
// id, and whoever knows the id can claim it. So the id counts together with the key that
// the caller proved on the channel. Whoever lacks a device's key has another origin.
type Origin struct {
	DeviceID string
	Public   []byte // the proved key; nil: the caller proved none
}

// Prove makes the origin of a caller who may bring a key and its signature over Text. It
// reports false if the signature is wrong, or if only one of the two is there.
func Prove(id channel.ID, deviceID string, public, signature []byte) (Origin, bool) {
	if len(public) == 0 {
		return Origin{DeviceID: deviceID}, len(signature) == 0
	}
	if !Signed(public, Text(id, deviceID, public), signature) {
		return Origin{}, false
	}
	return Origin{DeviceID: deviceID, Public: public}, true
}

// Digest names the origin in tables.
func (o Origin) Digest() []byte {
	return sm.Digest(channel.Join([]byte("tidebank origin v1"), []byte(o.DeviceID), o.Public))
}

// Known reports whether the customer with the number (a blind index) has bound the
// origin's key on its device. It costs the same work for unknown numbers and without a key.
func Known(ctx context.Context, db pg.Reader, phone []byte, from Origin) (bool, error) {
	var known bool
	if err := db.QueryRow(ctx, sqlKnown, phone, from.DeviceID, from.Public).Scan(&known); err != nil {
		return false, fmt.Errorf("known device: %w", err)
	}
	return known, nil
}

// QueueByPhone adds to the batch the query for the key that the customer with the
// number has bound on the device. read gets nil if there is none.
func QueueByPhone(batch *pgx.Batch, phone []byte, deviceID string, read func(public []byte)) {
	batch.Queue(sqlByPhone, phone, deviceID).QueryRow(func(row pgx.Row) error {
		var public []byte
		if err := pg.Optional(row.Scan(&public)); err != nil {
			return err
		}
		read(public)
		return nil
	})
}

// State is the state of a customer's key on a device.
type State struct {
	Bound  bool      // the customer has bound a key on it, and the last login on it proved that key
	Young  bool      // bound, and younger than the policy demands
	DayCap money.Fen // the sum of a day that a young key may confirm
	Unlock bool      // the customer has set a key on it that finger or face unlocks
}

// QueueState adds to the batch the query for the state of the customer's key on the device.
func QueueState(batch *pgx.Batch, customer uuid.UUID, deviceID string, now time.Time, s *State) {
	batch.Queue(sqlYoung, customer, deviceID, now, clock.BusinessDay(now)).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&s.DayCap, &s.Bound, &s.Young, &s.Unlock)
		s.Young = s.Young && s.Bound
		return err //nolint:wrapcheck // the batch wraps it
	})
}
