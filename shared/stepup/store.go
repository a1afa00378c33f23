package stepup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	sqlIntentInsert = `-- intent.insert
INSERT INTO intent (id, customer_id, device_id, operation, payload_ct, text_ct, digest, combinations, grade, state, created_at,
                    expires_at, raised_combinations)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open', $10, $11, $12)`

	// The query also reads the device's key, so that a signature needs no second round trip.
	sqlIntentLoad = `-- intent.load
SELECT i.id, i.customer_id, i.device_id, i.operation, i.payload_ct, i.text_ct, i.digest, i.combinations, i.grade,
       i.state, i.created_at, i.expires_at, d.public_key, i.raised_combinations
  FROM intent i
  LEFT JOIN device d ON d.customer_id = i.customer_id AND d.device_id = i.device_id
 WHERE i.id = $1 AND i.customer_id = $2`

	sqlIntentConsumeRows = `-- intent.consume.rows
SELECT intent_consume(id, customer, at)
  FROM (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS intent (id, customer, at) ORDER BY 1) AS intent`

	sqlIntentPrune = `-- intent.prune
DELETE FROM intent WHERE id IN (
    SELECT id FROM intent WHERE created_at < $2::timestamptz AND expires_at < $2::timestamptz LIMIT $1)`

	sqlIntentCancelAll = `-- intent.cancel_all
UPDATE intent SET state = 'cancelled' WHERE customer_id = $1 AND state = 'open'`
)

// Retention keeps an intent for 30 days after it has expired. A deleted intent can't
// be confirmed, like an expired intent.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "intent", Keep: 30 * 24 * time.Hour, SQL: sqlIntentPrune,
		Why: "An intent lives ten minutes, and its transfer stores the confirmed plan.",
	}
}

// Save adds a new intent to the unit. It seals payload and text under the storage
// key.
func Save(unit *pg.Unit, ring *keys.Ring, in Intent) error {
	payload, err := ring.Seal(keys.Storage, keys.AAD("intent", "payload_ct", in.ID.String()), in.Payload)
	if err != nil {
		return fmt.Errorf("seal intent payload: %w", err)
	}
	text, err := ring.Seal(keys.Storage, keys.AAD("intent", "text_ct", in.ID.String()), []byte(in.Text))
	if err != nil {
		return fmt.Errorf("seal intent text: %w", err)
	}
	unit.Add(pg.Statement{SQL: sqlIntentInsert, Args: []any{
		in.ID, in.CustomerID, in.DeviceID, in.Operation, payload, text, sm.Digest([]byte(in.Text)), texts(in.Combinations),
		in.Grade, in.CreatedAt, in.ExpiresAt, texts(in.Raised),
	}})
	return nil
}

// Load reads an open intent of the customer, for sending its OTP. It returns the same
// error for another customer's intent and for a missing intent.
func Load(ctx context.Context, db pg.Reader, ring *keys.Ring, id, customer uuid.UUID, now time.Time) (Intent, error) {
	var r record
	err := r.scan(db.QueryRow(ctx, sqlIntentLoad, id, customer))
	if err != nil {
		return Intent{}, err
	}
	if err := r.open(now); err != nil {
		return Intent{}, err
	}
	if err := r.unseal(ring); err != nil {
		return Intent{}, err
	}
	return r.Intent, nil
}

// CancelAll adds to the unit the statement that cancels the customer's open intents,
// for a logout (SESSION-006).
func CancelAll(unit *pg.Unit, customer uuid.UUID) {
	unit.Add(pg.Statement{SQL: sqlIntentCancelAll, Args: []any{customer}})
}

// state is the state of an intent. The table's CHECK lists the same states.
type state string

const (
	stateOpen      state = "open"
	stateConsumed  state = "consumed"
	stateCancelled state = "cancelled"
)

// record is an intent's row, still sealed.
type record struct {
	Intent
	payload, text []byte
	state         state
	deviceKey     []byte
}

func (r *record) scan(row pgx.Row) error {
	var combinations, raised []string
	err := row.Scan(&r.ID, &r.CustomerID, &r.DeviceID, &r.Operation, &r.payload, &r.text, &r.Digest, &combinations,
		&r.Grade, &r.state, &r.CreatedAt, &r.ExpiresAt, &r.deviceKey, &raised)
	if errors.Is(err, pgx.ErrNoRows) {
		return errNoIntent
	}
	if err != nil {
		return fmt.Errorf("load intent: %w", err)
	}
	r.Combinations, r.Raised = parse(combinations), parse(raised)
	return nil
}

func texts(list []Combination) []string {
	words := make([]string, len(list))
	for i, c := range list {
		words[i] = c.String()
	}
	return words
}

func parse(words []string) (list []Combination) {
	for _, c := range words {
		list = append(list, ParseCombination(c))
	}
	return list
}

// open refuses an intent that can no longer be confirmed.
func (r *record) open(now time.Time) error {
	switch {
	case r.state == stateConsumed:
		return used(r.ID)
	case r.state != stateOpen || !now.Before(r.ExpiresAt):
		return ErrExpired
	}
	return nil
}

func used(id uuid.UUID) error { return ErrUsed.Because(&UsedError{ResultID: id}) }

func (r *record) unseal(ring *keys.Ring) error {
	var err error
	if r.Payload, err = ring.Open(keys.Storage, keys.AAD("intent", "payload_ct", r.ID.String()), r.payload); err != nil {
		return fmt.Errorf("open intent payload: %w", err)
	}
	text, err := ring.Open(keys.Storage, keys.AAD("intent", "text_ct", r.ID.String()), r.text)
	if err != nil {
		return fmt.Errorf("open intent text: %w", err)
	}
	r.Text = string(text)
	return nil
}
