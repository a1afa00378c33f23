package password

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlInsert = `-- credential.insert
INSERT INTO credential (customer_id, login_password, trade_password, created_at) VALUES ($1, $2, $3, $4)`

	sqlReplace = `-- credential.replace
INSERT INTO credential (customer_id, login_password, trade_password, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer_id) DO UPDATE SET login_password = $2, trade_password = $3, login_given = false,
       login_until = NULL`

	// The stored text must still be the text that was compared: a change of the password
	// in the meantime stays.
	sqlRehashLogin = `-- credential.rehash_login
UPDATE credential SET login_password = $3 WHERE customer_id = $1 AND login_password = $2`

	sqlRehashTrade = `-- credential.rehash_trade
UPDATE credential SET trade_password = $3 WHERE customer_id = $1 AND trade_password = $2`
)

// Credential is a customer's two passwords in clear, at sign-up, and the turn to hash
// them.
type Credential struct {
	Turn         *Turn
	CustomerID   uuid.UUID
	Login, Trade string
	At           time.Time
}

// Insert signs the customer up with the passwords, hashed. The error signedUp refuses
// a customer who has signed up already.
func Insert(ctx context.Context, to pg.Writer, c Credential, signedUp error) error {
	args, err := c.row()
	if err != nil {
		return err
	}
	return to.Write(ctx, pg.Statement{
		SQL: sqlInsert, Args: args, Refuse: map[string]error{"credential_pkey": signedUp},
	})
}

// Replace signs the customer up, or replaces the passwords of a customer who has
// signed up.
func Replace(ctx context.Context, to pg.Writer, c Credential) error {
	args, err := c.row()
	if err != nil {
		return err
	}
	return to.Write(ctx, pg.Statement{SQL: sqlReplace, Args: args})
}

func (c Credential) row() ([]any, error) {
	login, err := c.Turn.Hash(OfLogin(c.CustomerID), []byte(c.Login))
	if err != nil {
		return nil, fmt.Errorf("login password: %w", err)
	}
	trade, err := c.Turn.Hash(OfTrade(c.CustomerID), []byte(c.Trade))
	if err != nil {
		return nil, fmt.Errorf("trade password: %w", err)
	}
	return []any{c.CustomerID, login, trade, c.At}, nil
}

// rehash adds to the unit of a right guess the statement that stores the password anew,
// if its stored text is out of date. Only a call that succeeds may use it: hashing takes
// time, and the time of a refusal must not tell that the password was right.
func (t *Turn) rehash(ctx context.Context, to pg.Writer, sql string, at Place, c compared) error {
	if !c.checked.Stale {
		return nil
	}
	fresh, err := t.Hash(at, c.guess)
	if err != nil {
		return err
	}
	return to.Write(ctx, pg.Statement{SQL: sql, Args: []any{at.row, c.stored, fresh}})
}

// compared is a guess that was compared with a stored text.
type compared struct {
	stored  string
	guess   []byte
	checked Checked
}
