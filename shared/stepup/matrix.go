package stepup

import (
	"slices"
	"strings"

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

// Scene is the kind of money movement that the matrix distinguishes.
type Scene int

// The scenes.
const (
	ToOthers Scene = iota // to another holder within the bank
	ToOwn                 // between the customer's own accounts (XFER-013)
)

// row is one line of the matrix: up to and including Cap, these are enough.
type row struct {
	scene        Scene
	grade        risk.Grade
	cap          money.Fen
	combinations []Combination
}

var (
	otpAndKey      = Combination{SMSOTP, DeviceKey}
	otpAndPassword = Combination{SMSOTP, TradePassword}
	keyAndPassword = Combination{DeviceKey, TradePassword}
	allThree       = Combination{SMSOTP, DeviceKey, TradePassword}
)

// Caps of the factors at hand (LIMIT-001): 50,000 CNY to others by SMS code,
// singly and as a day's sum. Soft UKey, token and Bluetooth Key bring rows above
// it when they come. Between own accounts one fresh factor is enough up to the
// cap, since the login's two already say who asks.
const (
	CapToOthers money.Fen = 50_000_00
	CapToOwn    money.Fen = 1_000_000_00
)

// matrix is the one table of who needs to prove what. Customers of high risk have
// no row: what they may do again, the counter decides.
var matrix = []row{
	{ToOthers, risk.GradeNormal, CapToOthers, []Combination{otpAndKey, otpAndPassword, keyAndPassword}},
	{ToOthers, risk.GradeRaised, CapToOthers, []Combination{allThree}},
	{ToOwn, risk.GradeNormal, CapToOthers, []Combination{{DeviceKey}, {TradePassword}}},
	{ToOwn, risk.GradeNormal, CapToOwn, []Combination{otpAndKey, otpAndPassword, keyAndPassword}},
	{ToOwn, risk.GradeRaised, CapToOwn, []Combination{otpAndKey, otpAndPassword}},
}

// Decide names the combinations of which any one is enough, the tightest row
// first; ErrStronger when no factor at hand reaches that far, or for no amount. The
// answer is the caller's to keep.
func Decide(scene Scene, grade risk.Grade, amount money.Fen) ([]Combination, error) {
	for _, r := range matrix {
		if r.scene == scene && r.grade == grade && 0 < amount && amount <= r.cap {
			return slices.Clone(r.combinations), nil
		}
	}
	return nil, ErrStronger
}
