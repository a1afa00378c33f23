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
	// name is the factor's name in requests, intents and events.
	name() Factor
	// cap is the largest amount of one transfer whose strongest factor this is.
	cap() money.Fen
	// day is the kind of limit for a day's transfers whose strongest factor this is.
	day() limit.Kind
	// begin starts the verification of one proof.
	begin(proof Proof) attempt
}

// attempt is one proof under verification. Its methods are called in this order.
type attempt interface {
	// load adds the statements that verify needs to the batch. If an attacker could
	// guess the proof, the same statement counts the attempt. So the attempt is counted
	// before verify compares the guess.
	load(v *Verification, batch *pgx.Batch)
	// verify decides whether the proof holds for the loaded intent.
	verify(v *Verification, ring *keys.Ring) error
	// undo adds to the unit of a refused call the statement that removes the count of a
	// right proof. It returns false if there is no count to remove.
	undo(unit *pg.Unit, customer uuid.UUID) bool
	// consume adds the statement that uses the proof up to the unit of the effect. It
	// adds nothing if the use of the intent is enough.
	consume(unit *pg.Unit, customer uuid.UUID)
}

// factors holds the factors that the rows of the matrix name.
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
