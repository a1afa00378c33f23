package fn_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
)

type none struct{}

func query(s fn.Spec) {
	fn.Query(s, func(context.Context, *fn.Lent, none) (fn.QueryOperation[none, none], error) { return nil, nil })
}

func change(s fn.Spec) {
	fn.Command(s, func(context.Context, *fn.Lent, none) (fn.CommandOperation[none, none], error) { return nil, nil })
}

func changeWithProofs(s fn.Spec) {
	fn.Command(s, func(context.Context, *fn.Lent, none) (fn.CommandOperation[order, none], error) { return nil, nil })
}

func confirm(s fn.Spec) {
	fn.Confirm(s, func(context.Context, *fn.Lent, none) (fn.ConfirmOperation[none, order, none], error) { return nil, nil })
}

func confirmWithoutProofs(s fn.Spec) {
	fn.Confirm(s, func(context.Context, *fn.Lent, none) (fn.ConfirmOperation[none, none, none], error) { return nil, nil })
}

func event(s fn.Spec) {
	fn.Event(s, func(context.Context, *fn.Lent, none) (fn.Reaction[none], error) { return nil, nil })
}

func worker(s fn.Spec) {
	fn.Worker(s, func(context.Context, *fn.WorkerLent, none) (fn.Work, error) { return nil, nil })
}

// told is what declaring panics with, "" if it doesn't.
func told(declare func(fn.Spec), s fn.Spec) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	declare(s)
	return ""
}

func TestContradictoryPoliciesDoNotStart(t *testing.T) {
	t.Parallel()
	long := "test-" + strings.Repeat("x", 36)
	for _, tt := range []struct {
		name    string
		declare func(fn.Spec)
		change  func(*fn.Spec)
		want    string // "": it starts
	}{
		{"a good query", query, func(*fn.Spec) {}, ""},
		{"a good command", change, func(s *fn.Spec) { s.Idempotent, s.CountsAttempts, s.Session = true, true, fn.SessionStarts }, ""},
		{"a good confirmation", confirm, func(s *fn.Spec) { s.Risk, s.Rate = risk.SceneTransfer, fn.RateSend }, ""},
		{"a good one without a channel", query, plain, ""},
		{"a good one without a database", query, func(s *fn.Spec) { s.NoDatabase = true }, ""},
		{"a good event function", event, hears, ""},
		{"a good worker", worker, func(s *fn.Spec) { s.Requirements = nil }, ""},
		{"a name of 40", query, func(s *fn.Spec) { s.Name = long[:40] }, ""},
		{"a name of 41", query, func(s *fn.Spec) { s.Name = long }, "the name"},
		{"no name", query, func(s *fn.Spec) { s.Name = "" }, "the name"},
		{"one word", query, func(s *fn.Spec) { s.Name = "test" }, "the name"},
		{"capitals", query, func(s *fn.Spec) { s.Name = "Test-it" }, "the name"},
		{"a path", query, func(s *fn.Spec) { s.Name = "test-it/../x" }, "the name"},
		{"a digit first", query, func(s *fn.Spec) { s.Name = "1test-it" }, "the name"},
		{"a dash last", query, func(s *fn.Spec) { s.Name = "test-" }, "the name"},
		{"a line more", query, func(s *fn.Spec) { s.Name = "test-it\n" }, "the name"},
		{"no summary", query, func(s *fn.Spec) { s.Summary = "" }, "no summary"},
		{"no requirement", query, func(s *fn.Spec) { s.Requirements = nil }, "no requirement"},
		{"no audience", query, func(s *fn.Spec) { s.Audience = 0 }, "no audience"},
		{"an unknown audience", query, func(s *fn.Spec) { s.Audience = fn.Internal + 1 }, "no audience"},
		{"internal without events", query, func(s *fn.Spec) { s.Audience = fn.Internal }, "internal"},
		{"HTTP with events", query, func(s *fn.Spec) { s.Consumes = []string{typeHeard} }, "consume"},
		{"an event function without events", event, func(*fn.Spec) {}, "consume"},
		{"a worker with events", worker, hears, "consume"},
		{"a key on an event function", event, func(s *fn.Spec) { hears(s); s.Idempotent = true }, "no caller"},
		{"a session of an event function", event, func(s *fn.Spec) { hears(s); s.Session = fn.SessionEnds }, "no caller"},
		{"attempts of a worker", worker, func(s *fn.Spec) { s.CountsAttempts = true }, "no caller"},
		{"an access record of a worker", worker, func(s *fn.Spec) { s.Audit = fn.AuditRead }, "no caller"},
		{"an event function without a database", event, func(s *fn.Spec) { hears(s); s.NoDatabase = true }, "needs the database"},
		{"a query that takes from queues", query, func(s *fn.Spec) { s.Queues = true }, "only a worker takes events from queues"},
		{"a query that listens", query, func(s *fn.Spec) { s.Listens = true }, "only a worker with the database listens"},
		{"an idempotent query", query, func(s *fn.Spec) { s.Idempotent = true }, "a query changes nothing"},
		{"a query that counts", query, func(s *fn.Spec) { s.CountsAttempts = true }, "a query changes nothing"},
		{"a query that starts a session", query, func(s *fn.Spec) { s.Session = fn.SessionStarts }, "a query changes nothing"},
		{"a query that sends events", query, func(s *fn.Spec) { s.Emits = []string{typeHeard} }, "a query changes nothing"},
		{"customers without a channel", query, func(s *fn.Spec) { plain(s); s.Audience = fn.Customer }, "without a channel"},
		{"keys without a channel", change, func(s *fn.Spec) { plain(s); s.Idempotent = true }, "without a channel"},
		{"audit without a channel", query, func(s *fn.Spec) { plain(s); s.Audit = fn.AuditRead }, "without a channel"},
		{"events without a channel", event, func(s *fn.Spec) { hears(s); s.NoChannel = true }, "without a channel"},
		{"a key without a database", change, func(s *fn.Spec) { s.NoDatabase, s.Idempotent = true, true }, "needs the database"},
		{"a confirmation without a database", confirm, func(s *fn.Spec) { s.NoDatabase = true }, "needs the database"},
		{"a record without a database", query, func(s *fn.Spec) { s.NoDatabase, s.Audit = true, fn.AuditRead }, "needs the database"},
		{"an unknown audit", query, func(s *fn.Spec) { s.Audit = "reed" }, "unknown audit"},
		{"a poll of strangers", query, func(s *fn.Spec) { s.Activity = session.Polls }, "polls or rests"},
		{"a good poll", query, func(s *fn.Spec) { s.Audience, s.Activity = fn.Customer, session.Polls }, ""},
		{"a query that ends others' sessions", query, func(s *fn.Spec) { s.EndsSessions = true }, "only an event function ends"},
		{"a good event function that ends sessions", event, func(s *fn.Spec) { hears(s); s.EndsSessions = true }, ""},
		{"a negative timeout", query, func(s *fn.Spec) { s.Timeout = -1 }, "negative timeout"},
		{"step-up of a command", change, func(s *fn.Spec) { s.Audience, s.Idempotent, s.StepUp = fn.Customer, true, true }, "step-up"},
		{"proofs nobody looks at", changeWithProofs, func(s *fn.Spec) { s.Audience = fn.Customer }, "stepup.Confirmation"},
		{"a confirmation without proofs", confirmWithoutProofs, func(*fn.Spec) {}, "stepup.Confirmation"},
		{"a customer who starts a session", change, func(s *fn.Spec) {
			s.Audience, s.Session = fn.Customer, fn.SessionStarts
		}, "starts a session"},
		{"a stranger who ends a session", change, func(s *fn.Spec) { s.Session = fn.SessionEnds }, "ends a session"},
		{"a customer who ends the sessions of a customer", change, func(s *fn.Spec) {
			s.Audience, s.Session = fn.Customer, fn.SessionEndsAll
		}, "ends the sessions"},
		{"risk of the public", query, func(s *fn.Spec) { s.Risk = risk.SceneTransfer }, "risk is asked"},
		{"a good deprecation", query, func(s *fn.Spec) {
			s.Deprecated = fn.Deprecation{Since: "2026-12-01", Sunset: "2027-05-30", Successor: "test-newer"}
		}, ""},
		{"a deprecation without an end", query, func(s *fn.Spec) { s.Deprecated.Since = "2026-12-01" }, ""},
		{"an end too soon", query, func(s *fn.Spec) {
			s.Deprecated = fn.Deprecation{Since: "2026-12-01", Sunset: "2027-05-29"}
		}, "deprecation"},
		{"an end without a deprecation", query, func(s *fn.Spec) { s.Deprecated.Sunset = "2027-06-01" }, "deprecation"},
		{"no date", query, func(s *fn.Spec) { s.Deprecated.Since = "next year" }, "deprecation"},
		{"an end that is no date", query, func(s *fn.Spec) {
			s.Deprecated = fn.Deprecation{Since: "2026-12-01", Sunset: "later"}
		}, "deprecation"},
		{"a successor that is no function", query, func(s *fn.Spec) {
			s.Deprecated = fn.Deprecation{Since: "2026-12-01", Successor: "x>; rel=y"}
		}, "deprecation"},
		{"a deprecated event function", event, func(s *fn.Spec) { hears(s); s.Deprecated.Since = "2026-12-01" }, "deprecation"},
		{"an unknown rate", query, func(s *fn.Spec) { s.Rate = "fast" }, "unknown rate class"},
	} {
		s := fn.Spec{Name: "test-it", Summary: "Of a test", Audience: fn.Public, Requirements: []string{"LOGIC-001"}}
		tt.change(&s)
		got := told(tt.declare, s)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: panicked with %q, want %q", tt.name, got, tt.want)
		}
		if tt.want != "" && tt.want != "the name" && !strings.Contains(got, s.Name) {
			t.Errorf("%s: %q doesn't name the function", tt.name, got)
		}
	}
}
