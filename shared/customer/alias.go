package customer

import (
	"context"
	"strings"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
)

// ErrAliasTaken refuses an alias that another customer has.
var ErrAliasTaken = bankerr.New(bankerr.Conflict, "ALIAS_TAKEN")

// The bounds of an alias, in characters. Phone, card and identity numbers, passports and
// permits have more digits than an alias may have.
const (
	aliasMin, aliasMax = 4, 20
	aliasDigits        = 6
)

const sqlAliasSet = `-- customer.set_alias
UPDATE customer SET alias_ct = $2, alias_bidx = $3 WHERE id = $1`

// ValidAlias reports whether the text can be an alias for log-ins: 4 to 20 ASCII letters,
// digits, dots, dashes and underscores, a letter first. It has at most six digits, whatever
// stands between them, so that it looks like no phone, card or identity number (AUTH-027).
func ValidAlias(text string) bool {
	if len(text) < aliasMin || len(text) > aliasMax {
		return false
	}
	digits := 0
	for i, r := range text {
		digit, letter := r >= '0' && r <= '9', r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if i == 0 && !letter || !letter && !digit && !strings.ContainsRune("._-", r) {
			return false
		}
		if digit {
			digits++
		}
	}
	return digits <= aliasDigits
}

// CheckLoginName refuses a login that names neither a number nor an alias, or both, or a
// text that no customer can have.
func CheckLoginName(phone, alias string) error {
	switch {
	case phone != "" && alias != "":
		return bankerr.InvalidField("alias", "not together with phone")
	case alias != "" && !ValidAlias(alias):
		return bankerr.InvalidField("alias", "no alias")
	case alias == "" && !ValidPhone(phone):
		return bankerr.InvalidField("phone", "not a mobile number")
	}
	return nil
}

// LoginIndex is the blind index of the name of a login: of the alias, or of the number if
// there is no alias. Letter case makes no other alias. The bank counts failures and codes
// of strangers by this name, so that nobody learns which number an alias belongs to.
func LoginIndex(ring *keys.Ring, phone, alias string) []byte {
	if alias != "" {
		return ring.BlindIndex("alias", strings.ToLower(alias))
	}
	return PhoneIndex(ring, phone)
}

// SetAlias adds to the unit the statement that stores the customer's alias, sealed, after
// the record was read. The commit fails with ALIAS_TAKEN if another customer has the alias.
func (s *Sealed) SetAlias(ctx context.Context, to pg.Writer, ring *keys.Ring, alias string) error {
	f, err := openFields(ring, s.id, s.dataKey)
	if err != nil {
		return err
	}
	sealed, err := f.seal(columnAlias, alias)
	if err != nil {
		return err
	}
	return to.Write(ctx, pg.Statement{
		SQL: sqlAliasSet, Args: []any{s.id, sealed, LoginIndex(ring, "", alias)},
		Refuse: map[string]error{"customer_alias_unique": ErrAliasTaken},
	})
}
