package stepup

import (
	"slices"
	"strings"

	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
)

// Combination is a set of factors that is enough to confirm. Its text form joins the
// factors with "+".
type Combination []Factor

// String is the combination's text form.
func (c Combination) String() string {
	parts := make([]string, len(c))
	for i, f := range c {
		parts[i] = string(f)
	}
	return strings.Join(parts, "+")
}

// ParseCombination reads the text form.
func ParseCombination(text string) Combination {
	var c Combination
	for part := range strings.SplitSeq(text, "+") {
		c = append(c, Factor(part))
	}
	return c
}

// satisfiedBy reports whether proven has every factor of c, or what counts for it.
func (c Combination) satisfiedBy(proven []Factor) bool {
	return len(c) > 0 && !slices.ContainsFunc(c, func(f Factor) bool { return !proves(proven, f) })
}

// proves reports whether the factor, or one that counts for it, is among the proven ones. A text from
// the reserved number counts for a code that a call tells, and both count for a code in a text.
func proves(proven []Factor, f Factor) bool {
	counts := []Factor{f}
	switch f {
	case SMSOTP:
		counts = []Factor{SMSOTP, VoiceOTP, UplinkSMS}
	case VoiceOTP:
		counts = []Factor{VoiceOTP, UplinkSMS}
	default:
	}
	return slices.ContainsFunc(counts, func(one Factor) bool { return slices.Contains(proven, one) })
}

// Limit returns the standard's limit of a transfer with these factors: the kind that
// counts the sum of a day, and the largest amount of one transfer. The strongest factor
// sets both (LIMIT-001). Unknown factors allow no amount. Rows of stepup_cap lower it
// (Matrix.Cap).
func (c Combination) Limit() (day limit.Kind, atMost money.Fen) {
	for _, name := range c {
		if f, ok := factors[name]; ok && f.cap() > atMost {
			day, atMost = f.day(), f.cap()
		}
	}
	return day, atMost
}

// NeedsKey reports whether a key of the bound device is one of the factors: the bound key itself, or
// one that finger or face unlocks, or a passkey, which belong to it.
func (c Combination) NeedsKey() bool {
	return slices.Contains(c, DeviceKey) || c.NeedsUnlock() || slices.Contains(c, Passkey)
}

// NeedsUnlock reports whether a key that finger or face unlocks is one of the factors.
func (c Combination) NeedsUnlock() bool { return slices.Contains(c, UnlockKey) }

// independent reports whether a factor of the combination is no biometric (BIO-002).
func (c Combination) independent() bool {
	return slices.ContainsFunc(c, func(f Factor) bool { return !biometric(f) })
}

// oneKey reports whether at most one factor is a key in the phone: who has the phone unlocked
// has each of them (AUTH-005). The Bluetooth Key is a device of its own, with its own PIN and button.
func (c Combination) oneKey() bool {
	return c.atMostOne(DeviceKey, SoftUKey, SoftUKeyCounter, PhoneShield, Passkey) && (!slices.Contains(c, Passkey) || !c.NeedsUnlock())
}

// onePhone reports whether at most one factor shows who has the reserved number: two of them show
// the same.
func (c Combination) onePhone() bool { return c.atMostOne(SMSOTP, VoiceOTP, UplinkSMS) }

// apart reports whether no two factors show the same.
func (c Combination) apart() bool { return c.oneKey() && c.onePhone() && c.oneCertificate() }

// oneCertificate reports whether at most one factor is the signature of a certificate: its evidence is the
// one record of the intent (AUTH-025).
func (c Combination) oneCertificate() bool {
	return c.atMostOne(SoftUKey, SoftUKeyCounter, PhoneShield, BluetoothKey)
}

func (c Combination) atMostOne(of ...Factor) bool {
	among := slices.DeleteFunc(slices.Clone(c), func(f Factor) bool { return !slices.Contains(of, f) })
	return len(among) <= 1
}

// Usable returns the combinations that a customer can prove on the device. Without a bound
// key these are the combinations without it; it returns ErrUnbound if there is none.
func Usable(list []Combination, keyBound bool) ([]Combination, error) {
	if keyBound {
		return list, nil
	}
	usable := slices.DeleteFunc(slices.Clone(list), Combination.NeedsKey)
	if len(usable) == 0 && len(list) > 0 {
		return nil, ErrUnbound
	}
	return usable, nil
}
