// Package risk is how every function asks what a customer's operation may cost
// the bank or the customer.
//
// The runtime asks before the operation's code runs. An Evaluator answers with
// one of two outcomes, and with the grade that decides which proofs are enough. An
// evaluator that can't answer must return an error, and the runtime then refuses (it
// fails closed). Baseline goes by the grade that fraud analysis of past transfers left
// on the customer (FRAUD-001, FRAUD-003). Implementations are safe for concurrent use.
package risk

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// ErrRefused is the answer to an operation that risk blocks.
var ErrRefused = bankerr.New(bankerr.Refused, "RISK_REFUSED")

// Scene is what the customer is about to do.
type Scene string

// The scenes.
const (
	None          Scene = ""
	SceneTransfer Scene = "transfer"
)

// Grade is the customer's risk grade.
type Grade int

// The grades, as stored.
const (
	GradeNormal Grade = iota
	GradeRaised
	GradeHigh
)

// Outcome is what risk wants done.
type Outcome int

// The outcomes.
const (
	Allow Outcome = iota // with the proofs that the matrix asks for at the decision's grade
	Refuse
)

// Subject is who acts, from where.
type Subject struct {
	CustomerID uuid.UUID
	DeviceID   string
	IP         string
	Grade      Grade
}

// Decision is an outcome and the grade that the step-up matrix is read with.
type Decision struct {
	Outcome Outcome
	Grade   Grade
}

// Evaluator decides.
type Evaluator interface {
	Evaluate(ctx context.Context, scene Scene, who Subject) (Decision, error)
}

// Baseline decides by the customer's grade alone.
type Baseline struct{}

// Evaluate refuses the high grade; the matrix asks more of the raised one.
func (Baseline) Evaluate(_ context.Context, _ Scene, who Subject) (Decision, error) {
	switch who.Grade {
	case GradeHigh:
		return Decision{Outcome: Refuse, Grade: who.Grade}, nil
	case GradeNormal, GradeRaised:
		return Decision{Outcome: Allow, Grade: who.Grade}, nil
	}
	return Decision{Outcome: Refuse, Grade: GradeHigh}, nil // a grade that nobody knows
}
