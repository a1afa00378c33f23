package ledger

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const sqlAccountInsert = `-- account.insert
INSERT INTO account (id, customer_id, kind, no_ct, no_bidx, no_masked, card_password, opened_at)
VALUES ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8) ON CONFLICT DO NOTHING`

const sqlAccountName = `-- account.name
UPDATE account SET alias_ct = $3 WHERE id = $1 AND customer_id = $2`

// Kind is the kind of an account.
type Kind string

// The kinds. An internal account is the bank's own and has no customer.
const (
	KindDebit    Kind = "debit"
	KindClass2   Kind = "class2"
	KindClass3   Kind = "class3"
	KindInternal Kind = "internal"
)

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{KindDebit, KindClass2, KindClass3, KindInternal} }

// State is the state of an account. It decides whether the account's money may move.
type State string

// The states. Money moves in StateOpen only.
const (
	StateOpen   State = "open"
	StateLost   State = "lost" // its card is reported lost
	StateFrozen State = "frozen"
	StateClosed State = "closed"
)

// States lists every state.
func States() []State { return []State{StateOpen, StateLost, StateFrozen, StateClosed} }

// CanonicalNumber is an account or card number in ASCII digits, without the blanks, dashes
// and dots with which people write it: 6228 4800 9000 0000 021.
func CanonicalNumber(number string) string { return digits.Canonical(number) }

// NumberIndex is the blind index of an account number in any spelling, for look-ups.
func NumberIndex(ring *keys.Ring, number string) []byte {
	return ring.BlindIndex("account.no", CanonicalNumber(number))
}

// PayeeCode is the account's code of eight digits, which a payee tells a payer and a
// payer compares with the signed text. It is the same in every transfer to the account.
// Masked names and numbers of two accounts can be alike; their codes differ, but for one
// pair of accounts in a hundred million. It shows nothing of the number, because the
// number's index is keyed.
func PayeeCode(numberIndex []byte) string {
	digest := sm.Digest([]byte("tidebank payee code"), numberIndex)
	return fmt.Sprintf("%08d", binary.BigEndian.Uint64(digest)%1e8)
}

// Account is a new account. The caller of OpenAccount seals its number. The balance
// starts at zero: an opening balance is a posting from an internal account.
type Account struct {
	ID           uuid.UUID
	CustomerID   *uuid.UUID // nil: internal
	Kind         Kind
	NumberSealed []byte
	NumberIndex  []byte
	NumberMasked string
	CardPassword string // hashed; empty if the account has no password
	OpenedAt     time.Time
}

// OpenAccount adds the account to a unit of work. An account that exists stays as it
// is.
func OpenAccount(u *pg.Unit, a Account) {
	u.Add(pg.Statement{SQL: sqlAccountInsert, Args: []any{
		a.ID, a.CustomerID, a.Kind, a.NumberSealed, a.NumberIndex, a.NumberMasked, a.CardPassword, a.OpenedAt,
	}})
}

// NameAccount adds the account's new alias, sealed, to a unit of work. An account of
// another customer stays as it is. The ring holds the purpose Storage.
func NameAccount(u *pg.Unit, ring *keys.Ring, account, customer uuid.UUID, alias string) error {
	sealed, err := ring.Seal(keys.Storage, aliasPlace(account), []byte(alias))
	if err != nil {
		return fmt.Errorf("seal alias: %w", err)
	}
	u.Add(pg.Statement{SQL: sqlAccountName, Args: []any{account, customer, sealed}})
	return nil
}

// OpenAlias opens the alias of an account (account.alias_ct). An account without an alias
// has the empty text.
func OpenAlias(ring *keys.Ring, account uuid.UUID, sealed []byte) (string, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	alias, err := ring.Open(keys.Storage, aliasPlace(account), sealed)
	if err != nil {
		return "", fmt.Errorf("alias: %w", err)
	}
	return string(alias), nil
}

func aliasPlace(account uuid.UUID) []byte { return keys.AAD("account", "alias_ct", account.String()) }
