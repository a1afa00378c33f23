package password

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	sqlInsert = `-- credential.insert
INSERT INTO credential (customer_id, login_password, trade_password, created_at) VALUES ($1, $2, $3, $4)`

	sqlReplace = `-- credential.replace
INSERT INTO credential (customer_id, login_password, trade_password, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer_id) DO UPDATE SET login_password = $2, trade_password = $3`
)

// Credential is a customer's two passwords in clear, at sign-up.
type Credential struct {
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
	login, err := sm.HashPassword([]byte(c.Login))
	if err != nil {
		return nil, fmt.Errorf("login password: %w", err)
	}
	trade, err := sm.HashPassword([]byte(c.Trade))
	if err != nil {
		return nil, fmt.Errorf("trade password: %w", err)
	}
	return []any{c.CustomerID, login, trade, c.At}, nil
}
