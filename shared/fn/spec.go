// Package fn is the function runtime. It turns a declared Spec and a typed operation
// into a handler. The handler enforces the Spec before the operation's code runs, and
// then commits the operation's unit.
//
// The order of enforcement is the list in stages.go, the same for every function. An
// operation can't skip a stage and can't commit: it reads, fills a unit of work and
// returns its reply. The runtime refuses an unmasked reply, adds the idempotency
// record and the consumption of the intent, and commits once. A Spec that contradicts
// itself panics when the process starts. There are three triggers: HTTP (Query,
// Command, Confirm), CloudEvent (Event), and Worker. The entry of an HTTP or event
// function is the OpenFaaS go-http SDK's handler. Serve serves that entry over
// net/http, for Knative and for a process of its own. Handlers are safe for
// concurrent use.
//
// Source: AUTH-012, AUTH-030, LOGIC-001, LOGIC-003, LOGIC-013, INPUT-001, ERR-001.
package fn

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Audience is the group of callers that may call a function.
type Audience int

// The audiences.
const (
	Public   Audience = iota + 1 // every app with a secure channel
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

// Audit decides which calls leave an access record, besides the operation's events.
type Audit string

// The categories.
const (
	AuditNone  Audit = ""      // no call: the function reads no personal data and changes nothing important
	AuditRead  Audit = "read"  // every call, because it reads personal data
	AuditAuth  Audit = "auth"  // every call, because the caller proves an identity (AUDIT-006)
	AuditMoney Audit = "money" // refusals and ends of locks; the operation's own event records success
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

// PerMinute is the class's calls in any minute; docs/limits.md lists them.
func (c RateClass) PerMinute() int { return rates[c] }

func (c RateClass) rate(scale int) session.Rate {
	return session.Rate{Class: string(c), Limit: c.PerMinute() * scale, Per: time.Minute}
}

// SessionEffect is the runtime's change to the caller's session.
type SessionEffect string

// The effects.
const (
	SessionKept     SessionEffect = ""
	SessionStarts   SessionEffect = "starts"   // after the commit, for the customer that Call.StartSession names
	SessionEnds     SessionEffect = "ends"     // the caller's session, before the commit
	SessionRelieves SessionEffect = "relieves" // the caller's session of its duty, after the commit
	SessionEndsAll  SessionEffect = "end"      // of the customer that Call.EndSessions names, before the commit and again after it
)

// Spec is a function's declared policy. Enforcement, the registry, the generators and
// the security tests all read it.
type Spec struct {
	Name           string           // <domain>-<operation>: route, image, metric label
	Summary        string           // one line for the index and the API reference
	Audience       Audience         // who may call; Event, Confirm and Worker set it
	NoChannel      bool             // no secure channel: only for the functions that come before one
	NoDatabase     bool             // the function or worker does without PostgreSQL
	Consumes       []string         // CloudEvent types that an event function takes
	Idempotent     bool             // the request carries an idempotency key; Confirm sets it
	StepUp         bool             // proofs must hold first; Confirm sets it
	CountsAttempts bool             // the operation counts attempts at a secret (Call.CountAttempts)
	DeadLetters    bool             // an event function that takes what others failed to take; DeadLetters sets it
	Queues         bool             // a worker that takes events from the platform's queues, where it has queues
	Listens        bool             // a worker that keeps a connection for LISTEN, besides its pool (pg.DB.Listen)
	RecordsRefused bool             // a worker that writes the records of calls that were not admitted
	Probes         bool             // a worker that tries the functions as a client; one instance of it runs
	Session        SessionEffect    // change to the caller's session
	DuringDuty     bool             // also for a customer who must change the login password first
	Activity       session.Activity // what a call says about its customer; a poll is no activity
	EndsSessions   bool             // an event function that ends sessions of customers (Lent.EndSession)
	Rate           RateClass        // RateDefault if empty
	Risk           risk.Scene       // risk scene, evaluated before the operation
	Audit          Audit            // which calls leave an access record
	Keys           []keys.Purpose   // purposes that the operation itself uses
	Personal       []string         // reply fields that hold personal data, always masked
	Emits          []string         // CloudEvent types that the operation may send
	Refusals       []*bankerr.Error // refusals of the operation itself
	Timeout        time.Duration    // for the whole call; 3 s if zero
	Requirements   []string         // clauses of the standard that its tests prove
	Deprecated     Deprecation      // of an HTTP function that will end
}

// Form is the kind of declaration that made the function.
type Form string

// The forms. Each form has a function of the same name that declares it.
const (
	FormQuery   Form = "query"
	FormCommand Form = "command"
	FormConfirm Form = "confirm"
	FormEvent   Form = "event"
	FormWorker  Form = "worker"
)

var nameForm = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`)

// properName reports whether the text has the form of a function's name.
func properName(text string) bool { return nameForm.MatchString(text) && len(text) <= 40 }

// allows refuses a statement that puts an event into the outbox which the Spec does
// not declare.
func (s Spec) allows(statement pg.Statement) error {
	if sent, yes := events.EmittedBy(statement); yes && !slices.Contains(s.Emits, sent) {
		return bankerr.ErrInternal.Because(fmt.Errorf("%w: %s", errEvent, sent))
	}
	return nil
}

// check refuses a policy that contradicts itself.
func (s Spec) check(f Form, request any, config reflect.Type) error {
	for _, fault := range s.faults(f, request, config) {
		if fault.found {
			return fmt.Errorf("%s: %s", s.Name, fault.why)
		}
	}
	return nil
}

// outside reports whether the process works outside the bank's stores.
func (s Spec) outside() bool { return s.Probes || s.Queues }

func (s Spec) usesBank() bool { return !s.NoDatabase || len(s.Keys) > 0 || s.RecordsRefused }

// fault is one contradiction.
type fault struct {
	found bool
	why   string
}

//nolint:gocognit // a list: each contradiction is one line
func (s Spec) faults(f Form, request any, config reflect.Type) []fault {
	_, confirms := request.(stepup.Confirmer)
	internal := f == FormEvent || f == FormWorker
	return []fault{
		{!properName(s.Name), "the name is not <domain>-<operation> of at most 40 characters"},
		{s.Summary == "" || len(s.Requirements) == 0 && f != FormWorker, "no summary, or no requirement cited"},
		{s.Audience.String() == "undeclared", "no audience"},
		{internal != (s.Audience == Internal), "event functions and workers, and only they, are internal"},
		{(f == FormEvent) != (len(s.Consumes) > 0), "event functions, and only they, consume"},
		{
			internal && (s.Idempotent || s.Session != SessionKept || s.CountsAttempts || s.Audit != AuditNone),
			"an event function or a worker has no caller: no key, session, attempts or access record",
		},
		{f == FormEvent && s.NoDatabase, "an event function records each event that it has had: it needs the database"},
		{internal && s.NoDatabase && !s.outside(), "an event function or a worker has no caller: its work is in the database"},
		{s.Probes && (f != FormWorker || s.usesBank()), "only a worker tries the functions, and it uses no store and no key of the bank"},
		{
			f == FormQuery && (s.Idempotent || s.CountsAttempts || s.Session != SessionKept || len(s.Emits) > 0),
			"a query changes nothing: no idempotency key, attempts, session effect or events",
		},
		{
			s.NoChannel && (s.Audience != Public || s.Idempotent || s.Audit != AuditNone),
			"only a public function that keeps nothing may do without a channel",
		},
		{
			s.NoDatabase && (s.Idempotent || s.StepUp || s.CountsAttempts || s.Risk != risk.None || s.Audit != AuditNone),
			"its policy needs the database",
		},
		{s.Queues && f != FormWorker, "only a worker takes events from queues"},
		{s.Listens && (f != FormWorker || s.NoDatabase), "only a worker with the database listens"},
		{s.DeadLetters && f != FormEvent, "only an event function takes dead letters"},
		{s.RecordsRefused && f != FormWorker, "only a worker records calls that were not admitted"},
		{!s.Audit.known(), fmt.Sprintf("unknown audit category %q", s.Audit)},
		{s.Timeout < 0, "negative timeout"},
		{
			s.Deprecated.wrong() || internal && s.Deprecated != Deprecation{},
			"its deprecation has a wrong date or successor, is too short, or is not of an HTTP function",
		},
		{
			f != FormWorker && namesStore(config),
			"its configuration says where a store or the keys are, but it works with what the host lends",
		},
		{s.StepUp != (f == FormConfirm), "step-up is what Confirm declares"},
		{confirms != (f == FormConfirm), "Confirm and a request that embeds stepup.Confirmation go together"},
		{s.Session == SessionStarts && s.Audience != Public, "only a public function starts a session"},
		{s.Session == SessionEndsAll && s.Audience != Public, "only a public function ends the sessions of a customer"},
		{s.Session == SessionEnds && s.Audience != Customer, "only a customer's function ends a session"},
		{s.DuringDuty && s.Audience != Customer, "only a customer has a duty"},
		{s.Session == SessionRelieves && !s.DuringDuty, "what relieves of a duty is open to who has it"},
		{s.Activity != session.Acts && s.Audience != Customer, "only a customer's function polls or rests"},
		{s.EndsSessions && f != FormEvent, "only an event function ends the sessions of other callers"},
		{s.Risk != risk.None && s.Audience != Customer, "risk is asked about customers"},
		{rates[s.rateClass()] == 0, fmt.Sprintf("unknown rate class %q", s.Rate)},
	}
}

func (s Spec) rateClass() RateClass {
	if s.Rate == "" {
		return RateDefault
	}
	return s.Rate
}

// DefaultTimeout is the time-out of a call whose Spec declares none.
const DefaultTimeout = 3 * time.Second

func (s Spec) timeout() time.Duration {
	if s.Timeout == 0 {
		return DefaultTimeout
	}
	return s.Timeout
}
