package ledger

import (
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pg"
)

const sqlAccountInsert = `-- account.insert
INSERT INTO account (id, customer_id, kind, no_ct, no_bidx, no_masked, card_password, opened_at)
VALUES ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8) ON CONFLICT DO NOTHING`

// Account is a new account, whose number is sealed by whoever opens it. It
// starts at zero: an opening balance is a posting from an internal account.
type Account struct {
	ID           uuid.UUID
	CustomerID   *uuid.UUID // nil: internal
	Kind         string     // debit, class2, class3, internal
	NumberSealed []byte
	NumberIndex  []byte
	NumberMasked string
	CardPassword string // hashed; empty for none
	OpenedAt     time.Time
}

// OpenAccount adds the account to a unit of work; one that exists stays.
func OpenAccount(u *pg.Unit, a Account) {
	u.Add(pg.Statement{SQL: sqlAccountInsert, Args: []any{
		a.ID, a.CustomerID, a.Kind, a.NumberSealed, a.NumberIndex, a.NumberMasked, a.CardPassword, a.OpenedAt,
	}})
}
