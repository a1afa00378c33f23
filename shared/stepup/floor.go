package stepup

import (
	"slices"

	"github.com/tidebank/tidebank/shared/customer"
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
//     device, a token, a reference photo, a key that finger or face unlocks, a passkey, a certificate;
//   - biometrics stand beside another factor (BIO-002);
//   - of the keys in the phone, one at most is among them (AUTH-005), and of the signatures of a certificate (AUTH-025);
//   - the login password confirms no money, and a transfer has only methods of the kind of customer (AUTH-001);
//   - two factors, but one between own accounts up to LargeAmount (AUTH-006, AUTH-008);
//   - one factor at most shows who has the reserved number;
//   - at the grade raised, three factors for a payment to others, and a one-time code or a
//     Bluetooth Key between own accounts (AUTH-029), and no code in a text (OTP-008);
//   - nothing at the grade high: the bank's staff must lift the grade first.
func (c Case) allows(list Combination) bool {
	if !list.Offered() || !list.independent() || !list.apart() || !c.Bound && list.NeedsKey() || !c.has(list) {
		return false
	}
	if c.Scene != NoMoney && (slices.Contains(list, LoginPassword) || !list.of(c.Kind)) {
		return false
	}
	least := 2
	switch c.Grade {
	case risk.GradeNormal:
		if c.Scene == ToOwn && c.Amount <= LargeAmount {
			least = 1
		}
	case risk.GradeRaised:
		if slices.Contains(list, SMSOTP) {
			return false
		}
		if c.Scene == ToOthers {
			least = 3
		} else if !slices.ContainsFunc(list, fresh) {
			return false
		}
	default:
		return false
	}
	return len(list) >= least
}

// has reports whether the customer has what the combination needs: the token, the reference photo,
// the key that finger or face unlocks, the passkey, and the certificate.
func (c Case) has(list Combination) bool {
	return !slices.ContainsFunc(list, func(f Factor) bool {
		switch f {
		case Token:
			return !c.Token
		case Face:
			return !c.Face
		case UnlockKey:
			return !c.Unlock
		case Passkey:
			return !c.Passkey
		case SoftUKey:
			return !c.UKeys.App
		case SoftUKeyCounter:
			return !c.UKeys.Counter
		case PhoneShield:
			return !c.UKeys.Shield
		case PINCode:
			return !c.PIN
		case BluetoothKey:
			return !c.UKeys.Bluetooth
		default:
			return false
		}
	})
}

// fresh reports whether the factor's proof is a one-time code, or a signature by another device than
// the phone.
func fresh(name Factor) bool {
	return slices.Contains([]Factor{SMSOTP, VoiceOTP, UplinkSMS, Token, BluetoothKey}, name)
}

// of reports whether each method is one of this kind of customer (AUTH-001). Corporate customers confirm by
// Bluetooth Key and PIN code, and the key of the bound device stands beside them.
func (c Combination) of(kind customer.Kind) bool {
	return !slices.ContainsFunc(c, func(f Factor) bool { return !permits(kind, f) })
}

func permits(kind customer.Kind, f Factor) bool {
	switch kind {
	case customer.Personal, "":
		return f != PINCode
	case customer.Corporate:
		return f == BluetoothKey || f == PINCode || f == DeviceKey
	default:
		return false
	}
}
