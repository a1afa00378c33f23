package stepup

import (
	"slices"

	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
)

// LargeAmount is the largest amount that a single factor confirms, and only between
// own accounts: the login has already proven two factors (AUTH-006).
const LargeAmount money.Fen = 10_000_00

// moves reports whether the case has the amount that its scene demands.
func (c Case) moves() bool {
	if c.Scene == NoMoney {
		return c.Amount == 0
	}
	return c.Amount > 0
}

// allows reports whether the combination is at least what the case demands, whatever the
// table says. This is the floor of the matrix:
//   - the factors are known and differ, and the customer has what they need: a bound key of the
//     device, a token, a reference photo, a key that finger or face unlocks, a certificate;
//   - biometrics stand beside another factor (BIO-002);
//   - of the keys in the phone, one at most is among them (AUTH-005);
//   - the login password confirms no money;
//   - two factors, but one between own accounts up to LargeAmount (AUTH-006, AUTH-008);
//   - at the grade raised, three factors for a payment to others, and a one-time code
//     between own accounts (AUTH-029);
//   - nothing at the grade high: the bank's staff must lift the grade first.
func (c Case) allows(list Combination) bool {
	if !list.Offered() || !list.independent() || !list.oneKey() || !c.Bound && list.NeedsKey() || !c.has(list) {
		return false
	}
	if c.Scene != NoMoney && slices.Contains(list, LoginPassword) {
		return false
	}
	least := 2
	switch c.Grade {
	case risk.GradeNormal:
		if c.Scene == ToOwn && c.Amount <= LargeAmount {
			least = 1
		}
	case risk.GradeRaised:
		if c.Scene == ToOthers {
			least = 3
		} else if !slices.ContainsFunc(list, oneTime) {
			return false
		}
	default:
		return false
	}
	return len(list) >= least
}

// has reports whether the customer has what the combination needs: the token, the reference photo,
// the key that finger or face unlocks, and the certificate.
func (c Case) has(list Combination) bool {
	return !slices.ContainsFunc(list, func(f Factor) bool {
		switch f {
		case Token:
			return !c.Token
		case Face:
			return !c.Face
		case UnlockKey:
			return !c.Unlock
		case SoftUKey:
			return !c.UKeys.App
		case SoftUKeyCounter:
			return !c.UKeys.Counter
		case PhoneShield:
			return !c.UKeys.Shield
		default:
			return false
		}
	})
}

// oneTime reports whether the factor's proof is a one-time code.
func oneTime(name Factor) bool { return name == SMSOTP || name == Token }
