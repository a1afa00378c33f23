package stepup

import (
	"slices"
	"strings"

	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
)

// Combination is a set of factors that together are enough; its text form joins
// them with "+".
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

// satisfiedBy reports whether every factor of c stands among proven.
func (c Combination) satisfiedBy(proven []Factor) bool {
	return len(c) > 0 && !slices.ContainsFunc(c, func(f Factor) bool { return !slices.Contains(proven, f) })
}

// Limit is the limit that a transfer with these factors uses up: the kind in which
// the sum of a day counts, and the most at once. Both are the strongest factor's
// (LIMIT-001). Of factors that the bank doesn't know, nothing is allowed.
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

// row is one line of the matrix: up to and including most, any one of the
// combinations is enough whose own cap reaches that far.
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

// LargeAmount is the most that one factor alone moves, and only between own accounts,
// since the login's two already say who asks (AUTH-006).
const LargeAmount money.Fen = 10_000_00

// matrix is the one table of what a customer needs to prove. The factors' own caps
// bound every row, also between own accounts. Customers of high risk have no row: the
// counter decides what they may do again.
var matrix = []row{
	{ToOthers, risk.GradeNormal, money.Max, [][]factor{otpAndKey, otpAndPassword, keyAndPassword}},
	{ToOthers, risk.GradeRaised, money.Max, [][]factor{allThree}},
	{ToOwn, risk.GradeNormal, LargeAmount, [][]factor{{deviceKey{}}, {tradePassword{}}}},
	{ToOwn, risk.GradeNormal, money.Max, [][]factor{otpAndKey, otpAndPassword, keyAndPassword}},
	{ToOwn, risk.GradeRaised, money.Max, [][]factor{otpAndKey, otpAndPassword}},
}

// Decide names the combinations of which any one is enough, from the tightest row;
// ErrStronger when no factor at hand reaches that far, or for no amount. The caller
// may change the answer.
func Decide(scene Scene, grade risk.Grade, amount money.Fen) ([]Combination, error) {
	for _, r := range matrix {
		if r.scene != scene || r.grade != grade || amount <= 0 || amount > r.most {
			continue
		}
		if enough := r.reaching(amount); len(enough) > 0 {
			return enough, nil
		}
	}
	return nil, ErrStronger
}

// reaching names the row's combinations whose strongest factor allows the amount.
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
