// Package risk decides whether an operation of a customer is allowed, and under which
// risk grade.
//
// The runtime calls the Evaluator before the operation's code runs. An Evaluator
// returns one of two outcomes, and the grade that decides which proofs are enough. An
// Evaluator that can't decide must return an error; the runtime then refuses the call
// (it fails closed). Baseline decides by the customer's grade, which fraud analysis
// sets from past transfers (FRAUD-001, FRAUD-003). Implementations are safe for
// concurrent use.
package risk

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/environment"
)

// ErrRefused is the answer to an operation that risk blocks.
var ErrRefused = bankerr.New(bankerr.Refused, "RISK_REFUSED")

// Scene is the kind of operation that the customer wants.
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

// Outcome is the decision about a call.
type Outcome int

// The outcomes.
const (
	Allow Outcome = iota // allow the call, with the proofs that the matrix asks for at the decision's grade
	Refuse
)

// Subject is the customer who acts, with device, address, and the findings about the app's
// environment (shared/environment).
type Subject struct {
	CustomerID  uuid.UUID
	DeviceID    string
	IP          string
	Moved       bool // the call comes from another address than the customer's login
	Grade       Grade
	Environment []environment.Finding
}

// Decision is an outcome, and the grade that selects the rows of the step-up matrix.
type Decision struct {
	Outcome Outcome
	Grade   Grade
}

// Raised returns the decision at the next higher grade. Above the grade raised there is
// none that is allowed.
func (d Decision) Raised() Decision {
	if d.Outcome == Refuse || d.Grade >= GradeRaised {
		return Decision{Outcome: Refuse, Grade: GradeHigh}
	}
	return Decision{Outcome: Allow, Grade: d.Grade + 1}
}

// Evaluator decides.
type Evaluator interface {
	Evaluate(ctx context.Context, scene Scene, who Subject) (Decision, error)
}

// Baseline decides by the customer's grade, and by whether the session has moved to
// another address.
type Baseline struct{}

// Evaluate refuses the grade high. For the grade raised, the matrix asks for stronger
// proofs. A session that has moved has at least the grade raised (DEVICE-001).
func (Baseline) Evaluate(_ context.Context, _ Scene, who Subject) (Decision, error) {
	switch who.Grade {
	case GradeHigh:
		return Decision{Outcome: Refuse, Grade: who.Grade}, nil
	case GradeNormal, GradeRaised:
		if who.Moved {
			return Decision{Outcome: Allow, Grade: GradeRaised}, nil
		}
		return Decision{Outcome: Allow, Grade: who.Grade}, nil
	}
	return Decision{Outcome: Refuse, Grade: GradeHigh}, nil // the stored grade is unknown, so refuse
}
