package stepup

import (
	"slices"
	"strings"

	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
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

// Limit returns the limit of a transfer with these factors: the kind that counts the
// sum of a day, and the largest amount of one transfer. The strongest factor sets
// both (LIMIT-001). Unknown factors allow no amount.
func (c Combination) Limit() (day limit.Kind, atMost money.Fen) {
	for _, name := range c {
		if f, ok := factors[name]; ok && f.cap() > atMost {
			day, atMost = f.day(), f.cap()
		}
	}
	return day, atMost
}

// Scene is the kind of money movement that the matrix distinguishes.
type Scene int

// The scenes.
const (
	ToOthers Scene = iota // to another holder within the bank
	ToOwn                 // between the customer's own accounts (XFER-013)
)

// row is one row of the matrix. For an amount of at most most, each combination is
// enough whose cap is not below the amount.
type row struct {
	scene        Scene
	grade        risk.Grade
	most         money.Fen
	combinations [][]factor
}

var (
	otpAndKey      = []factor{smsOTP{}, deviceKey{}}
	otpAndPassword = []factor{smsOTP{}, tradePassword{}}
	keyAndPassword = []factor{deviceKey{}, tradePassword{}}
	allThree       = []factor{smsOTP{}, deviceKey{}, tradePassword{}}
)

// LargeAmount is the largest amount that a single factor confirms, and only between
// own accounts: the login has already proven two factors (AUTH-006).
const LargeAmount money.Fen = 10_000_00

// matrix is the only table of the proofs that a customer needs. The factors' own caps
// bound every row, also between own accounts. Customers with the grade high have no
// row: the bank's staff must lift the grade first.
var matrix = []row{
	{ToOthers, risk.GradeNormal, money.Max, [][]factor{otpAndKey, otpAndPassword, keyAndPassword}},
	{ToOthers, risk.GradeRaised, money.Max, [][]factor{allThree}},
	{ToOwn, risk.GradeNormal, LargeAmount, [][]factor{{deviceKey{}}, {tradePassword{}}}},
	{ToOwn, risk.GradeNormal, money.Max, [][]factor{otpAndKey, otpAndPassword, keyAndPassword}},
	{ToOwn, risk.GradeRaised, money.Max, [][]factor{otpAndKey, otpAndPassword}},
}

// Decide returns the combinations of the first row that fits; each combination is
// enough. It returns ErrStronger with a CapError if no factor's cap is high enough, or if
// the amount is not positive. The caller may change the returned slice.
func Decide(scene Scene, grade risk.Grade, amount money.Fen) ([]Combination, error) {
	var most money.Fen
	for _, r := range matrix {
		if r.scene != scene || r.grade != grade {
			continue
		}
		most = max(most, r.reach())
		if amount <= 0 || amount > r.most {
			continue
		}
		if enough := r.reaching(amount); len(enough) > 0 {
			return enough, nil
		}
	}
	return nil, ErrStronger.Because(&CapError{Most: most})
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

// NeedsKey reports whether the device's key is one of the factors.
func (c Combination) NeedsKey() bool { return slices.Contains(c, DeviceKey) }

// reach is the largest amount that the row confirms.
func (r row) reach() money.Fen {
	var most money.Fen
	for _, list := range r.combinations {
		for _, f := range list {
			most = max(most, f.cap())
		}
	}
	return min(most, r.most)
}

// reaching returns the row's combinations whose strongest factor allows the amount.
func (r row) reaching(amount money.Fen) []Combination {
	var enough []Combination
	for _, list := range r.combinations {
		c := make(Combination, len(list))
		for i, f := range list {
			c[i] = f.name()
		}
		if _, most := c.Limit(); amount <= most {
			enough = append(enough, c)
		}
	}
	return enough
}
