package fn_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
)

type none struct{}

func wireNothing[Req any](context.Context, *fn.Host, none) (fn.Operation[Req, none], error) {
	return nil, nil
}

func wireDeaf(context.Context, *fn.Host, none) (fn.Reaction[none], error) { return nil, nil }

func request[Req any](s fn.Spec) { fn.HTTP(s, wireNothing[Req]) }

func event(s fn.Spec) { fn.Event(s, wireDeaf) }

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
		{"a good one", request[none], func(*fn.Spec) {}, ""},
		{"a good one with everything", request[order], func(s *fn.Spec) {
			s.Audience, s.Idempotent, s.StepUp, s.Risk = fn.Customer, true, stepup.FromIntent, risk.SceneTransfer
			s.Rate = fn.RateSend
		}, ""},
		{"a good one without a channel", request[none], plain, ""},
		{"a good event function", event, hears, ""},
		{"a name of 40", request[none], func(s *fn.Spec) { s.Name = long[:40] }, ""},
		{"a name of 41", request[none], func(s *fn.Spec) { s.Name = long }, "function name"},
		{"no name", request[none], func(s *fn.Spec) { s.Name = "" }, "function name"},
		{"one word", request[none], func(s *fn.Spec) { s.Name = "test" }, "function name"},
		{"capitals", request[none], func(s *fn.Spec) { s.Name = "Test-it" }, "function name"},
		{"a path", request[none], func(s *fn.Spec) { s.Name = "test-it/../x" }, "function name"},
		{"a digit first", request[none], func(s *fn.Spec) { s.Name = "1test-it" }, "function name"},
		{"a dash last", request[none], func(s *fn.Spec) { s.Name = "test-" }, "function name"},
		{"a line more", request[none], func(s *fn.Spec) { s.Name = "test-it\n" }, "function name"},
		{"no summary", request[none], func(s *fn.Spec) { s.Summary = "" }, "no summary"},
		{"no requirement", request[none], func(s *fn.Spec) { s.Requirements = nil }, "no requirement"},
		{"no audience", request[none], func(s *fn.Spec) { s.Audience = 0 }, "no audience"},
		{"an unknown audience", request[none], func(s *fn.Spec) { s.Audience = fn.Internal + 1 }, "no audience"},
		{"internal without events", request[none], func(s *fn.Spec) { s.Audience = fn.Internal }, "internal"},
		{"events for the public", event, func(s *fn.Spec) { s.Consumes = []string{typeHeard} }, "internal"},
		{"events for customers", event, func(s *fn.Spec) { hears(s); s.Audience = fn.Customer }, "internal"},
		{"customers without a channel", request[none], func(s *fn.Spec) { plain(s); s.Audience = fn.Customer }, "without a channel"},
		{"keys without a channel", request[none], func(s *fn.Spec) { plain(s); s.Idempotent = true }, "without a channel"},
		{"events without a channel", event, func(s *fn.Spec) { hears(s); s.NoChannel = true }, "without a channel"},
		{"step-up without a presentation", request[none], func(s *fn.Spec) {
			s.Audience, s.Idempotent, s.StepUp = fn.Customer, true, stepup.FromIntent
		}, "step-up and a request"},
		{"a presentation nobody looks at", request[order], func(s *fn.Spec) { s.Audience = fn.Customer }, "step-up and a request"},
		{"step-up for the public", request[order], func(s *fn.Spec) {
			s.Idempotent, s.StepUp = true, stepup.FromIntent
		}, "step-up needs"},
		{"step-up without a key", request[order], func(s *fn.Spec) {
			s.Audience, s.StepUp = fn.Customer, stepup.FromIntent
		}, "step-up needs"},
		{"risk of the public", request[none], func(s *fn.Spec) { s.Risk = risk.SceneTransfer }, "risk is asked"},
		{"an unknown rate", request[none], func(s *fn.Spec) { s.Rate = "fast" }, "unknown rate class"},
	} {
		s := fn.Spec{Name: "test-it", Summary: "Of a test", Audience: fn.Public, Requirements: []string{"LOGIC-001"}}
		tt.change(&s)
		got := told(tt.declare, s)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: panicked with %q, want %q", tt.name, got, tt.want)
		}
		if tt.want != "" && tt.want != "function name" && !strings.Contains(got, s.Name) {
			t.Errorf("%s: %q doesn't name the function", tt.name, got)
		}
	}
}

func TestSpecsThatWouldNotBeEnforcedDoNotStart(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]struct {
		declare func(fn.Spec)
		change  func(*fn.Spec)
	}{
		"HTTP with events":                 {request[none], hears},
		"an event function without events": {event, func(*fn.Spec) {}},
		"audit without a channel":          {request[none], func(s *fn.Spec) { plain(s); s.Audit = fn.AuditRead }},
		"an unknown audit":                 {request[none], func(s *fn.Spec) { s.Audit = "reed" }},
		"a negative timeout":               {request[none], func(s *fn.Spec) { s.Timeout = -1 }},
	} {
		s := fn.Spec{Name: "test-it", Summary: "Of a test", Audience: fn.Public, Requirements: []string{"LOGIC-001"}}
		d.change(&s)
		if told(d.declare, s) == "" {
			t.Errorf("%s: starts", name)
		}
	}
}
