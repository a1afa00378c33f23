package stepup

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	sqlPreferenceSet = `-- stepup_preference.set
INSERT INTO stepup_preference (customer_id, combination, up_to, chosen_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer_id) DO UPDATE SET combination = $2, up_to = $3, chosen_at = $4`

	sqlPreferenceLoad = `-- stepup_preference.load
SELECT combination, up_to FROM stepup_preference WHERE customer_id = $1`
)

// Preference is the customer's choice of the proofs for transfers of at most UpTo
// (AUTH-017). The zero value chooses nothing.
type Preference struct {
	Combination Combination
	UpTo        money.Fen
}

// Prefer adds to the unit the statement that stores the customer's choice. The caller has
// checked it (Matrix.Accepts).
func Prefer(unit *pg.Unit, customer uuid.UUID, p Preference, now time.Time) {
	unit.Add(pg.Statement{SQL: sqlPreferenceSet, Args: []any{customer, p.Combination.String(), p.UpTo, now}})
}

// QueuePreference adds to the batch the query for the customer's choice.
func QueuePreference(batch *pgx.Batch, customer uuid.UUID, found *Preference) {
	batch.Queue(sqlPreferenceLoad, customer).QueryRow(func(row pgx.Row) error {
		var text string
		*found = Preference{}
		if err := pg.Optional(row.Scan(&text, &found.UpTo)); err != nil {
			return err
		}
		if text != "" {
			found.Combination = ParseCombination(text)
		}
		return nil
	})
}

// Choose returns the customer's choice alone, if it is enough in the case by one of the
// combinations, and the customer still has what it needs. It returns all combinations if not:
// a choice is never weaker than the matrix, and never one that no proof could meet.
func (p Preference) Choose(combinations []Combination, about Case) []Combination {
	if about.Amount > p.UpTo || !about.has(p.Combination) || !slices.ContainsFunc(combinations, p.Combination.contains) {
		return combinations
	}
	return []Combination{p.Combination}
}

// contains reports whether c has every factor of the other combination.
func (c Combination) contains(other Combination) bool { return other.satisfiedBy(c) }

// Accepts refuses a choice that is not enough in the case. The refusal ErrStronger has a
// MissingError with the factors that the choice lacks, or a CapError if the amount is above
// every cap.
func (m Matrix) Accepts(c Case, choice Combination) error {
	enough, err := m.Decide(c)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(enough, choice.contains) {
		return ErrStronger.Because(missing(enough, choice))
	}
	return nil
}

// Offered reports whether the bank can verify each factor of the combination, and none
// stands twice.
func (c Combination) Offered() bool {
	for i, name := range c {
		if _, known := factors[name]; !known || slices.Contains(c[:i], name) {
			return false
		}
	}
	return len(c) > 0
}
