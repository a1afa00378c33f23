package face

import (
	"bytes"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlPassed = `-- face.passed
SELECT binding FROM face_check
 WHERE id = $1 AND customer_id = $2 AND device_id = $3 AND channel = $4 AND intent_id = $5 AND state = 'passed'
   AND ended_at > $6`

	sqlPhoto = `-- face_reference.photo
SELECT face_photo($1, $2) IS NOT NULL`
)

// ProofLife is how long a check that has passed proves its operation.
const ProofLife = 5 * time.Minute

// Passed is a check that a caller brings as the proof of an operation. QueuePassed looks for it.
type Passed struct {
	Caller
	ID       uuid.UUID // of the check
	IntentID uuid.UUID // of the operation
	Now      time.Time

	binding []byte // digest of the operation's text; nil: the caller has no such check
}

// QueuePassed adds to the batch the query for the check. It finds only a check of this caller and
// operation that has passed within ProofLife and is not used.
func (p *Passed) QueuePassed(batch *pgx.Batch) {
	args := []any{p.ID, p.CustomerID, p.DeviceID, p.channel(), p.IntentID, p.Now.Add(-ProofLife)}
	batch.Queue(sqlPassed, args...).QueryRow(func(row pgx.Row) error {
		p.binding = nil
		return pg.Optional(row.Scan(&p.binding))
	})
}

// Proves reports whether the check was found, and was for the text with this digest.
func (p *Passed) Proves(digest []byte) bool {
	return p.binding != nil && bytes.Equal(p.binding, digest)
}

// UsePassed adds to the unit the statement that uses the check up. The commit returns refused if
// it is used already.
func (p *Passed) UsePassed(unit *pg.Unit, refused error) {
	unit.Add(pg.Statement{Call: "face_use", Args: []any{p.ID}, Refuse: map[string]error{"FACE_USED": refused}})
}

// QueuePhoto adds to the batch the query whether the customer has a reference photo that was
// taken after oldest.
func QueuePhoto(batch *pgx.Batch, customer uuid.UUID, oldest time.Time, found *bool) {
	batch.Queue(sqlPhoto, customer, oldest).QueryRow(func(row pgx.Row) error { return pg.Optional(row.Scan(found)) })
}
