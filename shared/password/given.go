package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlGiveLogin = `-- credential.give_login
UPDATE credential SET login_password = $2, login_given = true, login_until = $3 WHERE customer_id = $1`

	temporaryLength = 12 // of 32 characters each: 60 bits
)

// TemporaryLife is the longest time for which a temporary password is good (PWD-015).
const TemporaryLife = time.Hour

// ErrTemporaryLife refuses a longer time, or none.
var ErrTemporaryLife = errors.New("a temporary password is good for at most 60 minutes")

// Temporary returns a random login password that meets the rules for the customer of p.
func (p New) Temporary() string {
	for {
		p.Login = strings.ToLower(rand.Text()[:temporaryLength])
		if p.CheckLogin() == nil {
			return p.Login
		}
	}
}

// Given is a temporary login password.
type Given struct {
	CustomerID uuid.UUID
	Clear      string
	At         time.Time     // from when it is good
	Valid      time.Duration // and for how long
}

// GiveLogin adds to the unit the statement that stores a temporary login password, hashed. It logs in
// once, while it is valid, and only to be changed.
func GiveLogin(ctx context.Context, to pg.Writer, turn *Turn, g Given) error {
	if g.Valid <= 0 || g.Valid > TemporaryLife {
		return ErrTemporaryLife
	}
	text, err := turn.Hash(OfLogin(g.CustomerID), []byte(g.Clear))
	if err != nil {
		return fmt.Errorf("give a login password: %w", err)
	}
	return to.Write(ctx, pg.Statement{SQL: sqlGiveLogin, Args: []any{g.CustomerID, text, g.At.Add(g.Valid)}})
}
