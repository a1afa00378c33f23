package stepup

import (
	"context"
	"maps"
	"slices"
	"time"

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
	// lacks returns the name of the proof's field that is missing, or "".
	lacks(proof Proof) string
	// begin starts the verification of one proof.
	begin(proof Proof) attempt
}

// attempt is one proof under verification. Its methods are called in this order.
type attempt interface {
	// load adds the statements that verify needs to the batch. If an attacker could
	// guess the proof, the same statement counts the attempt as in flight. So the attempt
	// is counted before verify compares the guess.
	load(v *Verification, batch *pgx.Batch)
	// waits reports whether the attempt is not counted, because attempts in flight may
	// reach the bound. Then verify is not called.
	waits() bool
	// verify decides whether the proof holds for the loaded intent.
	verify(ctx context.Context, v *Verification, ring *keys.Ring) error
	// settle adds to the unit of a call without effect the statement that settles the
	// counted attempt: a wrong guess stays counted, any other gives its count back.
	settle(unit *pg.Unit)
	// left returns, after settle, how many guesses are left if this guess is wrong, and
	// until when a lock holds. It returns false for a proof that can't be guessed.
	left() (tries int, lockedUntil *time.Time, guessable bool)
	// consume adds the statements that use the proof up, and settle its attempt, to the
	// unit of the effect. It adds nothing if the use of the intent is enough.
	consume(unit *pg.Unit, customer uuid.UUID)
}

// guess is the result of comparing a guess.
type guess struct{ compared, right bool }

func (g guess) wrong() bool { return g.compared && !g.right }

// factors holds the factors that the bank can verify. A rule that names another factor
// confirms nothing with it.
var factors = byName(smsOTP{}, deviceKey{}, tradePassword{}, loginPassword{}, dynamicToken{}, faceCheck{}, unlockKey{},
	uKeyOfApp, uKeyOfCounter, uKeyOfShield)

func byName(list ...factor) map[Factor]factor {
	named := make(map[Factor]factor, len(list))
	for _, f := range list {
		named[f.name()] = f
	}
	return named
}

// unknown is a proof of a factor that the bank can't verify.
type unknown struct{}

func (unknown) load(*Verification, *pgx.Batch) {}
func (unknown) waits() bool                    { return false }
func (unknown) settle(*pg.Unit)                {}
func (unknown) left() (int, *time.Time, bool)  { return 0, nil, false }
func (unknown) consume(*pg.Unit, uuid.UUID)    {}

func (unknown) verify(context.Context, *Verification, *keys.Ring) error { return ErrProofRejected }

// Factors names all factors that the bank can verify, sorted.
func Factors() []Factor { return slices.Sorted(maps.Keys(factors)) }
