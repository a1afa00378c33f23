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

// satisfiedBy reports whether proven contains every factor of c.
func (c Combination) satisfiedBy(proven []Factor) bool {
	return len(c) > 0 && !slices.ContainsFunc(c, func(f Factor) bool { return !slices.Contains(proven, f) })
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
// one that finger or face unlocks, which belongs to it.
func (c Combination) NeedsKey() bool { return slices.Contains(c, DeviceKey) || c.NeedsUnlock() }

// NeedsUnlock reports whether a key that finger or face unlocks is one of the factors.
func (c Combination) NeedsUnlock() bool { return slices.Contains(c, UnlockKey) }

// independent reports whether a factor of the combination is no biometric (BIO-002).
func (c Combination) independent() bool {
	return slices.ContainsFunc(c, func(f Factor) bool { return !biometric(f) })
}

// oneKey reports whether at most one factor is a key in the phone: who has the phone unlocked
// has each of them (AUTH-005).
func (c Combination) oneKey() bool {
	keys := slices.DeleteFunc(slices.Clone(c), func(f Factor) bool {
		return !slices.Contains([]Factor{DeviceKey, SoftUKey, SoftUKeyCounter, PhoneShield}, f)
	})
	return len(keys) <= 1
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
