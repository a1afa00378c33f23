package device

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	sqlChallenge = `-- login_challenge.insert
INSERT INTO login_challenge (challenge, channel, expires_at) VALUES ($1, $2, $3)`

	sqlQuickCount = `-- device.count_quick
SELECT o_verdict, coalesce(o_customer, '00000000-0000-0000-0000-000000000000'), coalesce(o_gesture, ''), o_unlock_key
  FROM quick_count_attempt($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	sqlUnlockKeys = `-- device.unlock_keys
SELECT fingerprint_key, face_key FROM device WHERE customer_id = $1 AND device_id = $2`

	sqlChallengePrune = `-- login_challenge.prune
DELETE FROM login_challenge WHERE challenge IN (SELECT challenge FROM login_challenge WHERE expires_at < $2::timestamptz LIMIT $1)`
)

// ChallengeLife is how long the challenge of a quick login can be answered.
const ChallengeLife = 2 * time.Minute

// ChallengeBytes is the length of a challenge.
const ChallengeBytes = 32

// Method is what the customer does to log in quickly on a bound device.
type Method string

// The methods. The phone recognises finger and face, and then signs with a key that nothing
// else unlocks. The bank learns nothing of finger and face.
const (
	ByGesture     Method = "gesture"
	ByFingerprint Method = "fingerprint"
	ByFace        Method = "face"
)

// NewChallenge adds a new challenge for a quick login on the channel to the unit. It is good
// once, for ChallengeLife.
func NewChallenge(unit *pg.Unit, id channel.ID, now time.Time) []byte {
	challenge := make([]byte, ChallengeBytes)
	_, _ = rand.Read(challenge) // never fails (crypto/rand)
	unit.Add(pg.Statement{SQL: sqlChallenge, Args: []any{challenge, sm.Digest(id[:]), now.Add(ChallengeLife)}})
	return challenge
}

// QuickText is what the device's bound key signs to log in, and the key that finger or face
// unlocks: the ASCII text "tidebank quick login v1", the channel's id, the device id, the bound
// public key, the challenge and the method, each preceded by its length in four bytes.
func QuickText(id channel.ID, from Origin, challenge []byte, by Method) []byte {
	return channel.Join([]byte("tidebank quick login v1"), id[:], []byte(from.DeviceID), from.Public, challenge, []byte(by))
}

// UnlockText is what a key that finger or face unlocks signs when it is registered.
func UnlockText(id channel.ID, deviceID string, by Method, public []byte) []byte {
	return channel.Join([]byte("tidebank unlock key v1"), id[:], []byte(deviceID), []byte(by), public)
}

// StoreUnlockKey adds to the unit the statement that stores the key that the method unlocks on
// the customer's device. The commit returns unbound if the customer has bound no key on it.
func StoreUnlockKey(unit *pg.Unit, k Key, by Method, unbound error) {
	unit.Add(pg.Statement{
		Call: "device_put_unlock_key", Args: []any{k.CustomerID, k.DeviceID, string(by), k.Public},
		Refuse: map[string]error{"DEVICE_UNBOUND": unbound},
	})
}

// QueueUnlockKeys adds to the batch the query for the keys that finger and face unlock on the
// customer's device; into gets those that are set.
func QueueUnlockKeys(batch *pgx.Batch, customer uuid.UUID, deviceID string, into *[][]byte) {
	batch.Queue(sqlUnlockKeys, customer, deviceID).QueryRow(func(row pgx.Row) error {
		*into = nil
		found := make([][]byte, 2)
		if err := pg.Optional(row.Scan(&found[0], &found[1])); err != nil {
			return err
		}
		for _, key := range found {
			if key != nil {
				*into = append(*into, key)
			}
		}
		return nil
	})
}

// QuickVerdict is the decision whether a quick login goes on; quick_count_attempt tells what
// each means.
type QuickVerdict string

// The verdicts.
const (
	QuickOpen      QuickVerdict = "open"
	QuickLast      QuickVerdict = "last"
	QuickCaptcha   QuickVerdict = "captcha"
	QuickLocked    QuickVerdict = "locked"
	QuickChallenge QuickVerdict = "challenge"
	QuickUnset     QuickVerdict = "unset"
	QuickUnbound   QuickVerdict = "unbound"
)

// QuickAttempt is one quick login. CountQuick uses its challenge up and counts a guess at a
// gesture, by customer and device, before the guess is compared; SucceedQuick resets the count.
type QuickAttempt struct {
	Name      []byte // blind index of the number, or of the alias
	From      Origin // with the key that has signed QuickText
	Channel   channel.ID
	Challenge []byte
	By        Method
	Captcha   bool // the customer has solved a graphic code
	Now       time.Time

	// These fields are set after the batch.
	Verdict    QuickVerdict
	CustomerID uuid.UUID // zero if the verdict is QuickUnbound
	Stored     string    // the gesture, if its guess is counted
	UnlockKey  []byte    // the key that finger or face unlocks
}

// CountQuick adds the statement to the batch. It costs the same work for unknown numbers and
// for devices that are not bound.
func (a *QuickAttempt) CountQuick(batch *pgx.Batch) {
	args := []any{
		a.Name, a.From.DeviceID, a.From.Public, sm.Digest(a.Channel[:]), a.Challenge, string(a.By), a.Captcha, a.Now,
		clock.BusinessDay(a.Now),
	}
	batch.Queue(sqlQuickCount, args...).QueryRow(func(row pgx.Row) error {
		a.Verdict, a.CustomerID, a.Stored, a.UnlockKey = "", uuid.Nil, "", nil
		if err := row.Scan(&a.Verdict, &a.CustomerID, &a.Stored, &a.UnlockKey); err != nil {
			return pg.Classify(fmt.Errorf("count quick login: %w", err))
		}
		return nil
	})
}

// Goes reports whether the login goes on.
func (a *QuickAttempt) Goes() bool { return a.Verdict == QuickOpen || a.Verdict == QuickLast }

// Gesture is the stored gesture with which the guess is compared; no guess is right if the
// login does not go on.
func (a *QuickAttempt) Gesture() Gesture {
	return Gesture{CustomerID: a.CustomerID, DeviceID: a.From.DeviceID, Stored: a.Stored}
}

// Unlocked reports whether the assertion is a signature over QuickText by the key that finger or
// face unlocks. It costs the same work if there is no such key.
func (a *QuickAttempt) Unlocked(assertion []byte) bool {
	key := a.UnlockKey
	if key == nil {
		key = a.From.Public
	}
	return Signed(key, QuickText(a.Channel, a.From, a.Challenge, a.By), assertion) && a.UnlockKey != nil
}

// SucceedQuick adds to the unit the statement that ends the attempt. The commit returns stale if the
// device's key, or what the attempt was compared with, was replaced since.
func (a *QuickAttempt) SucceedQuick(ctx context.Context, to pg.Writer, stale error) error {
	var gesture *string
	if a.By == ByGesture {
		gesture = &a.Stored
	}
	return to.Write(ctx, pg.Statement{
		Call: "quick_succeed", Args: []any{a.CustomerID, a.From.DeviceID, a.From.Public, gesture, a.UnlockKey},
		Refuse: map[string]error{"LOGIN_STALE": stale},
	})
}

// Retention deletes challenges a day after their end.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "login_challenge", Keep: 24 * time.Hour, SQL: sqlChallengePrune,
		Why: "A challenge lives two minutes, and goes when it is answered.",
	}
}
