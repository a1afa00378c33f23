package stepup

import (
	"slices"

	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
)

// Scene is the kind of operation that the matrix distinguishes.
type Scene int

// The scenes.
const (
	ToOthers Scene = iota // to another holder within the bank
	ToOwn                 // between the customer's own accounts (XFER-013)
	NoMoney               // no money moves
)

// String is the scene's name in the table stepup_rule.
func (s Scene) String() string {
	if s < ToOthers || s > NoMoney {
		return ""
	}
	return [...]string{"others", "own", "none"}[s]
}

// Case is what the proofs of an operation depend on.
type Case struct {
	Operation string // the function that confirms it
	Scene     Scene
	Grade     risk.Grade
	Amount    money.Fen // 0 if no money moves
	Bound     bool      // the customer has bound the device's key
	Token     bool      // the customer has bound a dynamic token
	Face      bool      // the bank has a reference photo of the customer
	Unlock    bool      // the customer has set a key on the device that finger or face unlocks
	UKeys     cert.Held // the customer's certificates
}

// Cap holds the largest amounts of a method in fen: of one transfer, and of a day.
type Cap struct{ PerTransfer, PerDay money.Fen }

// rule is one row of the table stepup_rule. For an amount of at most upTo, each
// combination is enough whose cap is not below the amount.
type rule struct {
	operation    string
	scene        string
	bound        bool
	grade        risk.Grade
	upTo         money.Fen
	combinations []Combination
}

func (r rule) fits(c Case) bool {
	return r.operation == c.Operation && r.scene == c.Scene.String() && r.bound == c.Bound && r.grade == c.Grade
}

// Matrix holds the rules and caps that are in force at one time. The rules of a cell
// stand by their amount, the smallest first.
type Matrix struct {
	rules []rule
	caps  map[Factor]Cap
}

// Decide returns the combinations of the first rule that fits; each combination is
// enough. A combination below the floor of the case counts for nothing. Decide returns
// ErrStronger with a CapError if no method's cap is high enough, or if the amount is not
// positive. The caller may change the returned slice.
func (m Matrix) Decide(c Case) ([]Combination, error) {
	var most money.Fen
	for _, r := range m.rules {
		if !r.fits(c) {
			continue
		}
		most = max(most, m.reach(r, c))
		if c.Amount > r.upTo || !c.moves() {
			continue
		}
		if enough := m.reaching(r, c); len(enough) > 0 {
			return enough, nil
		}
	}
	return nil, ErrStronger.Because(&CapError{Most: most})
}

// Usable returns the combinations of a list that are enough in the case on its device. It
// returns ErrUnbound if only the device's key is missing.
func (m Matrix) Usable(list []Combination, c Case) ([]Combination, error) {
	if c.Bound {
		return list, nil
	}
	enough, _ := m.Decide(c) // a refusal leaves none
	usable := slices.DeleteFunc(slices.Clone(list), func(one Combination) bool {
		return one.NeedsKey() || !slices.ContainsFunc(enough, one.contains)
	})
	if len(usable) == 0 && len(list) > 0 {
		return nil, ErrUnbound
	}
	return usable, nil
}

// Cap returns the caps of the combination's strongest methods, the lowest of each. The
// standard's cap bounds them (LIMIT-001). All methods of one kind of limit share the sum of
// a day, so the lowest figure of the kind bounds it. A method without a row in force has
// the cap 0.
func (m Matrix) Cap(c Combination) Cap {
	kind, ceiling := c.Limit()
	least := Cap{PerTransfer: ceiling, PerDay: ceiling}
	for name, f := range factors {
		if f.cap() == ceiling && slices.Contains(c, name) {
			least.PerTransfer = min(least.PerTransfer, m.caps[name].PerTransfer)
		}
		if f.day() == kind {
			least.PerDay = min(least.PerDay, m.caps[name].PerDay)
		}
	}
	return least
}

// reach is the largest amount that the rule confirms by what the customer has.
func (m Matrix) reach(r rule, about Case) money.Fen {
	var most money.Fen
	for _, c := range r.combinations {
		if about.has(c) {
			most = max(most, m.Cap(c).PerTransfer)
		}
	}
	return min(most, r.upTo)
}

// reaching returns the rule's combinations that the floor and their caps allow.
func (m Matrix) reaching(r rule, c Case) []Combination {
	var enough []Combination
	for _, one := range r.combinations {
		if c.allows(one) && c.Amount <= m.Cap(one).PerTransfer {
			enough = append(enough, slices.Clone(one))
		}
	}
	return enough
}
