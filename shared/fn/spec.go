// Package fn is the function runtime: it turns a declared Spec and a typed
// operation into a handler that enforces the Spec before the operation's code
// runs.
//
// The order is fixed (stages.go): size, channel, rate, identity, decode, replay
// and step-up, risk, operation, mask, audit, seal. An operation can't skip a
// stage, and a Spec that makes no sense panics when the process starts. The
// entry is the OpenFaaS go-http SDK's handler; Serve puts net/http in front of
// it for Knative and alone. Handlers are safe for concurrent use.
//
// Source: AUTH-012, AUTH-030, LOGIC-001, LOGIC-003, LOGIC-013, INPUT-001, ERR-001.
package fn

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Audience says who may call a function.
type Audience int

// The audiences.
const (
	Public   Audience = iota + 1 // anybody with a secure channel
	Customer                     // a customer who is logged in
	Internal                     // the broker, with an event that the bank signed
)

// String names the audience as the function index shows it.
func (a Audience) String() string {
	switch a {
	case Public:
		return "public"
	case Customer:
		return "customer"
	case Internal:
		return "internal"
	}
	return "undeclared"
}

// Audit says which calls leave an access record besides the operation's events.
type Audit string

// The categories.
const (
	AuditNone  Audit = ""      // nothing personal, nothing of consequence
	AuditRead  Audit = "read"  // personal data is read: every call
	AuditAuth  Audit = "auth"  // somebody proves who they are: every call (AUDIT-006)
	AuditMoney Audit = "money" // the operation's own event records success; refusals are recorded
)

func (a Audit) known() bool {
	return slices.Contains([]Audit{AuditNone, AuditRead, AuditAuth, AuditMoney}, a)
}

// RateClass bounds calls by channel (before a channel, by address) and minute.
type RateClass string

// The classes; their figures are in rates below.
const (
	RateDefault RateClass = "default"
	RateAuth    RateClass = "auth"
	RateSend    RateClass = "send"
	RateOpen    RateClass = "open"
)

var rates = map[RateClass]int{RateDefault: 240, RateAuth: 20, RateSend: 10, RateOpen: 600}

func (c RateClass) rate(scale int) session.Rate {
	return session.Rate{Class: string(c), Limit: rates[c] * scale, Per: time.Minute}
}

// Spec is a function's declared policy: the single source for enforcement, the
// registry, the generators and the security tests.
type Spec struct {
	Name         string           // <domain>-<operation>: route, image, metric label
	Summary      string           // one line for the index and the API reference
	Audience     Audience         // who may call
	NoChannel    bool             // no secure channel: only for opening one
	Consumes     []string         // CloudEvent types; makes an event function
	Idempotent   bool             // the request carries an idempotency key
	StepUp       stepup.Rule      // whether proofs must hold first
	Rate         RateClass        // RateDefault if empty
	Risk         risk.Scene       // asked before the operation
	Audit        Audit            // what leaves an access record
	Personal     []string         // reply fields that hold personal data, always masked
	Emits        []string         // CloudEvent types that the operation may send
	Refusals     []*bankerr.Error // what the operation itself may answer
	Timeout      time.Duration    // for the whole call; 3 s if zero
	Requirements []string         // clauses of the standard that it serves
}

var nameForm = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`)

// check refuses a policy that contradicts itself.
func (s Spec) check(request any, event bool) error {
	_, presents := request.(stepup.Confirmer)
	switch {
	case !nameForm.MatchString(s.Name) || len(s.Name) > 40:
		return fmt.Errorf("function name %q is not <domain>-<operation> of at most 40 characters", s.Name)
	case s.Summary == "" || len(s.Requirements) == 0:
		return fmt.Errorf("%s: no summary, or no requirement cited", s.Name)
	case s.Audience.String() == "undeclared":
		return fmt.Errorf("%s: no audience", s.Name)
	case event != (s.Audience == Internal) || event != (len(s.Consumes) > 0):
		return fmt.Errorf("%s: event functions, and only they, are internal and consume", s.Name)
	case s.NoChannel && s.Audit != AuditNone:
		return fmt.Errorf("%s: what comes without a channel leaves no access record", s.Name)
	case !s.Audit.known():
		return fmt.Errorf("%s: unknown audit category %q", s.Name, s.Audit)
	case s.Timeout < 0:
		return fmt.Errorf("%s: negative timeout", s.Name)
	case s.NoChannel && (s.Audience != Public || s.Idempotent):
		return fmt.Errorf("%s: only a public function that keeps nothing may do without a channel", s.Name)
	case (s.StepUp == stepup.FromIntent) != presents:
		return fmt.Errorf("%s: step-up and a request that embeds stepup.Confirmation go together", s.Name)
	case s.StepUp == stepup.FromIntent && (s.Audience != Customer || !s.Idempotent):
		return fmt.Errorf("%s: step-up needs a customer and an idempotency key", s.Name)
	case s.Risk != risk.None && s.Audience != Customer:
		return fmt.Errorf("%s: risk is asked about customers", s.Name)
	case rates[s.rateClass()] == 0:
		return fmt.Errorf("%s: unknown rate class %q", s.Name, s.Rate)
	}
	return nil
}

func (s Spec) rateClass() RateClass {
	if s.Rate == "" {
		return RateDefault
	}
	return s.Rate
}

func (s Spec) timeout() time.Duration {
	if s.Timeout == 0 {
		return 3 * time.Second
	}
	return s.Timeout
}
