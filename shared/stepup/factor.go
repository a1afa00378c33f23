package stepup

import (
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
)

// factor is one way to prove the customer's will.
type factor interface {
	// name stands for the factor in requests, intents and events.
	name() Factor
	// cap is the most that one transfer may move with this as its strongest factor.
	cap() money.Fen
	// day is the kind of limit that counts a day's transfers with this as their
	// strongest factor.
	day() limit.Kind
	// begin starts the verification of one proof.
	begin(proof Proof) attempt
}

// attempt is one proof under verification. Its methods are called in this order.
type attempt interface {
	// load adds to the round trip what verify needs. If the proof can be guessed, the
	// same statement counts the attempt, before anything looks at the guess.
	load(v *Verification, batch *pgx.Batch)
	// verify decides whether the proof holds for the intent that was found.
	verify(v *Verification, ring *keys.Ring) error
	// undo adds to the unit of a refused call what takes back the count of a proof that
	// holds; false if there is nothing to take back.
	undo(unit *pg.Unit, customer uuid.UUID) bool
	// consume adds to the unit of the effect what makes the proof single-use, if
	// consuming the intent does not.
	consume(unit *pg.Unit, customer uuid.UUID)
}

// factors are those that a row of the matrix names.
var factors = factorsOf(matrix)

func factorsOf(rows []row) map[Factor]factor {
	found := make(map[Factor]factor)
	for _, r := range rows {
		for _, f := range slices.Concat(r.combinations...) {
			found[f.name()] = f
		}
	}
	return found
}

// unknown is a proof of a factor that the bank can't verify.
type unknown struct{}

func (unknown) load(*Verification, *pgx.Batch)         {}
func (unknown) verify(*Verification, *keys.Ring) error { return ErrProofRejected }
func (unknown) undo(*pg.Unit, uuid.UUID) bool          { return false }
func (unknown) consume(*pg.Unit, uuid.UUID)            {}

// Factors names all factors that the matrix knows, sorted.
func Factors() []Factor { return slices.Sorted(maps.Keys(factorsOf(matrix))) }
