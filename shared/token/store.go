package token

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/reseal"
)

const (
	sqlIssue = `-- token.issue
INSERT INTO token (serial, customer_id, state, algorithm, seed_ct) VALUES ($1, $2, 'issued', $3, $4)`

	sqlState = `-- token.state
SELECT state FROM token WHERE customer_id = $1 AND state <> 'lost'`

	sqlForget = `-- token.forget
DELETE FROM token WHERE customer_id = $1`

	sqlResealNext = `-- token.reseal_next
SELECT ARRAY[serial], ARRAY[serial], seed_ct FROM token WHERE serial > ($1::text[])[1] AND seed_ct <> ''
 ORDER BY serial LIMIT $2`

	sqlReseal = `-- token.reseal
UPDATE token t SET seed_ct = n.fresh
  FROM unnest($1::bytea[], $2::bytea[], $3::text[]) AS n (old, fresh, serial)
 WHERE t.serial = n.serial AND t.seed_ct = n.old
   AND t.serial IN (SELECT serial FROM token WHERE serial = ANY ($3::text[]) FOR UPDATE SKIP LOCKED)`
)

// State is the state of a customer's token. The table's CHECK lists the same states.
type State string

// The states.
const (
	None   State = ""       // the customer has no token that is not lost
	Issued State = "issued" // the bank has handed it out, and the customer has not bound it
	Active State = "active"
	Lost   State = "lost" // for good
)

// Token is a token that the bank hands out to a customer.
type Token struct {
	Serial    string // stands on its back
	Algorithm Algorithm
	Seed      [seedBytes]byte
}

// Issue adds to the unit the token that the bank hands out to the customer. It is of no use
// before the customer binds it.
func Issue(unit *pg.Unit, ring *keys.Ring, customer uuid.UUID, t Token) error {
	sealed, err := ring.Seal(keys.Token, aad(t.Serial), t.Seed[:])
	if err != nil {
		return fmt.Errorf("seal seed: %w", err)
	}
	unit.Add(pg.Statement{SQL: sqlIssue, Args: []any{t.Serial, customer, t.Algorithm, sealed}})
	return nil
}

func aad(serial string) []byte { return keys.AAD("token", "seed_ct", serial) }

// QueueToken adds to the batch the query for the state of the customer's token.
func QueueToken(batch *pgx.Batch, customer uuid.UUID, found *State) {
	batch.Queue(sqlState, customer).QueryRow(func(row pgx.Row) error {
		*found = None
		return pg.Optional(row.Scan(found))
	})
}

// Bind adds to the unit the statement that puts the customer's issued token into use. The
// commit returns refused if there is none.
func Bind(unit *pg.Unit, customer uuid.UUID, refused error) {
	unit.Add(pg.Statement{Call: "token_put_into_use", Args: []any{customer}, Refuse: map[string]error{"TOKEN_NONE": refused}})
}

// ReportLost adds to the unit the statement that takes the customer's token out of use for
// good. The commit returns refused if there is none.
func ReportLost(unit *pg.Unit, customer uuid.UUID, refused error) {
	unit.Add(pg.Statement{Call: "token_report_lost", Args: []any{customer}, Refuse: map[string]error{"TOKEN_NONE": refused}})
}

// Forget deletes the tokens of a customer whose record is erased.
func Forget(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlForget, Args: []any{customer}})
}

// SealedColumns lists the column of the table token that rests sealed.
func SealedColumns() []reseal.Column {
	return []reseal.Column{{
		Name: "token.seed_ct", Purpose: keys.Token, Start: []string{""},
		Next: reseal.Query{SQL: sqlResealNext}, Write: reseal.Query{SQL: sqlReseal},
		AAD: func(about []string) []byte { return aad(about[0]) },
	}}
}
