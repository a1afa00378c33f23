package password

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlStored = `-- credential.stored
SELECT login_password, trade_password FROM credential WHERE customer_id = $1`

	sqlCards = `-- credential.cards
SELECT id, card_password FROM account
 WHERE customer_id = $1 AND card_password IS NOT NULL AND state <> 'closed' ORDER BY id LIMIT 20`

	sqlSetLogin = `-- credential.set_login
UPDATE credential SET login_password = $2, login_set_at = $3, login_given = false, login_until = NULL WHERE customer_id = $1`

	sqlSetTrade = `-- credential.set_trade
UPDATE credential SET trade_password = $2 WHERE customer_id = $1`
)

// Present is a customer's stored passwords, with which a new one is compared (PWD-007).
// Both texts are empty if the customer has not signed up: no password equals them. It also holds the passwords of the
// customer's cards (PWD-003), of 20 at most.
type Present struct {
	customer     uuid.UUID
	login, trade string
	cards        []card
}

// card is the stored password of a card.
type card struct {
	account uuid.UUID
	stored  string
}

// QueuePresent adds the query that reads the passwords to the batch.
func (p *Present) QueuePresent(batch *pgx.Batch, customer uuid.UUID) {
	*p = Present{customer: customer}
	batch.Queue(sqlStored, customer).QueryRow(func(row pgx.Row) error {
		return pg.Optional(row.Scan(&p.login, &p.trade))
	})
	batch.Queue(sqlCards, customer).Query(func(rows pgx.Rows) (err error) {
		p.cards, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c card, err error) {
			return c, row.Scan(&c.account, &c.stored)
		})
		return err //nolint:wrapcheck // the batch names the statement
	})
}

// OnCard reports whether the text is the password of one of the customer's cards. Like SameLogin it is only for a customer
// who has proved two factors.
func (p *Present) OnCard(turn *Turn, clear []byte) (bool, error) {
	if len(clear) != tradeLength || !digits.Only(string(clear)) { // no card has such a password
		return false, nil
	}
	for _, c := range p.cards {
		checked, err := turn.Check(OfCard(c.account), c.stored, clear)
		if err != nil || checked.Right {
			return checked.Right, err
		}
	}
	return false, nil
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

// Replacement is a new password in clear, and the turn to hash it.
type Replacement struct {
	Turn       *Turn
	CustomerID uuid.UUID
	Clear      []byte
	At         time.Time
}

// SetLogin adds to the unit the statement that stores a new login password, hashed. Its age begins now.
func SetLogin(ctx context.Context, to pg.Writer, r Replacement) error {
	text, err := r.Turn.Hash(OfLogin(r.CustomerID), r.Clear)
	if err != nil {
		return fmt.Errorf("set a login password: %w", err)
	}
	return to.Write(ctx, pg.Statement{SQL: sqlSetLogin, Args: []any{r.CustomerID, text, r.At}})
}

// SetTrade is SetLogin for the trade password. The trade password's lock and its counts
// stay.
func SetTrade(ctx context.Context, to pg.Writer, r Replacement) error {
	text, err := r.Turn.Hash(OfTrade(r.CustomerID), r.Clear)
	if err != nil {
		return fmt.Errorf("set a trade password: %w", err)
	}
	return to.Write(ctx, pg.Statement{SQL: sqlSetTrade, Args: []any{r.CustomerID, text}})
}
