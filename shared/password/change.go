package password

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlStored = `-- credential.stored
SELECT login_password, trade_password FROM credential WHERE customer_id = $1`

	sqlSetLogin = `-- credential.set_login
UPDATE credential SET login_password = $2, login_given = false, login_until = NULL WHERE customer_id = $1`

	sqlSetTrade = `-- credential.set_trade
UPDATE credential SET trade_password = $2 WHERE customer_id = $1`
)

// Present is a customer's stored passwords, with which a new one is compared (PWD-007).
// Both texts are empty if the customer has not signed up: no password equals them.
type Present struct {
	customer     uuid.UUID
	login, trade string
}

// QueuePresent adds the query that reads the passwords to the batch.
func (p *Present) QueuePresent(batch *pgx.Batch, customer uuid.UUID) {
	*p = Present{customer: customer}
	batch.Queue(sqlStored, customer).QueryRow(func(row pgx.Row) error {
		return pg.Optional(row.Scan(&p.login, &p.trade))
	})
}

// SignedUp reports whether the customer has passwords.
func (p *Present) SignedUp() bool { return p.login != "" }

// SameLogin reports whether the text is the login password. An error means that the bank
// can't compare now. Only a customer who has proved two factors may learn the answer.
func (p *Present) SameLogin(turn *Turn, clear []byte) (bool, error) {
	checked, err := turn.Check(OfLogin(p.customer), p.login, clear)
	return checked.Right, err
}

// SameTrade is SameLogin for the trade password.
func (p *Present) SameTrade(turn *Turn, clear []byte) (bool, error) {
	checked, err := turn.Check(OfTrade(p.customer), p.trade, clear)
	return checked.Right, err
}

// SetLogin adds to the unit the statement that stores a new login password, hashed.
func SetLogin(ctx context.Context, to pg.Writer, turn *Turn, customer uuid.UUID, clear []byte) error {
	return set(ctx, to, turn, sqlSetLogin, OfLogin(customer), clear)
}

// SetTrade is SetLogin for the trade password. The trade password's lock and its counts
// stay.
func SetTrade(ctx context.Context, to pg.Writer, turn *Turn, customer uuid.UUID, clear []byte) error {
	return set(ctx, to, turn, sqlSetTrade, OfTrade(customer), clear)
}

func set(ctx context.Context, to pg.Writer, turn *Turn, sql string, at Place, clear []byte) error {
	text, err := turn.Hash(at, clear)
	if err != nil {
		return fmt.Errorf("set %s: %w", at.column, err)
	}
	return to.Write(ctx, pg.Statement{SQL: sql, Args: []any{at.row, text}})
}
