package fn_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/spans"
)

// spansOf are the functions' own spans of a trace, without those of the stores that they
// call.
func spansOf(trace string) []tracetest.SpanStub {
	var found []tracetest.SpanStub
	for _, s := range spans.Of(trace) {
		if s.SpanKind != oteltrace.SpanKindClient {
			found = append(found, s)
		}
	}
	return found
}

// freshTrace is a caller's traceparent that no other test has.
func freshTrace() (trace, span, header string) {
	id := uuid.New()
	trace, span = fmt.Sprintf("%x", id[:]), fmt.Sprintf("%x", id[8:])
	return trace, span, "00-" + trace + "-" + span + "-01"
}

func TestACallContinuesItsCallersTrace(t *testing.T) {
	t.Parallel()
	spans.Recorder()
	b := bank.New(t)
	f := command("test-traced", func(s *fn.Spec) { plain(s); s.Emits = []string{typeEffect} },
		func(ctx context.Context, _ *fn.Call, request note, unit *pg.Unit) (struct{}, error) {
			if request.Note == "no" {
				return struct{}{}, risk.ErrRefused
			}
			return struct{}{}, effect(ctx, unit, "traced")
		})
	trace, parent, header := freshTrace()
	handle(t, b, f, `{"note":"yes"}`, http.Header{"Traceparent": {header}})
	spans := spansOf(trace)
	if len(spans) != 1 {
		t.Fatalf("%d spans, want 1", len(spans))
	}
	s := spans[0]
	if s.Name != "test-traced" || s.Parent.SpanID().String() != parent || !s.Parent.IsRemote() || s.EndTime.IsZero() {
		t.Errorf("span %q of parent %s", s.Name, s.Parent.SpanID())
	}
	out := b.Outbox(t, typeEffect)
	if want := "00-" + trace + "-" + s.SpanContext.SpanID().String() + "-01"; len(out) != 1 || out[0].Traceparent != want {
		t.Errorf("the event goes on with %+v, want traceparent %s", out, want)
	}

	trace, _, header = freshTrace()
	var p fn.Problem
	check.Must(t, json.Unmarshal(handle(t, b, f, `{"note":"no"}`, http.Header{"Traceparent": {header}}).Body, &p))
	if p.Trace != trace || len(spansOf(trace)) != 1 {
		t.Errorf("the problem names trace %s with %d spans, want %s with 1", p.Trace, len(spansOf(trace)), trace)
	}
}

func TestADeliveryContinuesItsEventsTrace(t *testing.T) {
	t.Parallel()
	spans.Recorder()
	b := bank.New(t)
	trace, parent, header := freshTrace()
	body, h := structured(t, b.Event(t, uuid.NewString(), typeHeard, "x", heard{}))
	h.Set("Traceparent", header)
	handle(t, b, consumer(counting), body, h)
	spans := spansOf(trace)
	if len(spans) != 1 || spans[0].Name != "test-on-heard" || spans[0].Parent.SpanID().String() != parent {
		t.Errorf("spans: %+v", spans)
	}
}

// Some brokers pass the trace on in the event only. A header counts more than the event.
func TestADeliveryContinuesTheTraceInItsEvent(t *testing.T) {
	t.Parallel()
	spans.Recorder()
	b := bank.New(t)
	inEvent, parent, extension := freshTrace()
	inHeader, _, header := freshTrace()
	event := b.Event(t, uuid.NewString(), typeHeard, "x", heard{})
	event.SetExtension("traceparent", extension)
	body, h := structured(t, event)
	handle(t, b, consumer(counting), body, h)
	if spans := spansOf(inEvent); len(spans) != 1 || spans[0].Parent.SpanID().String() != parent {
		t.Errorf("spans of the event's trace: %+v", spans)
	}
	h.Set("Traceparent", header)
	handle(t, b, consumer(counting), body, h)
	if len(spansOf(inHeader)) != 1 || len(spansOf(inEvent)) != 1 {
		t.Errorf("%d spans of the header's trace, %d of the event's", len(spansOf(inHeader)), len(spansOf(inEvent)))
	}
}

// A call without a valid trace gets a trace id of its own.
func TestEveryCallHasATraceID(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := declare("test-untraced", plain, func(context.Context, given, struct{}) (struct{}, error) {
		return struct{}{}, risk.ErrRefused
	})
	seen := map[string]bool{}
	for _, header := range []string{"", "", "junk", "00-00000000000000000000000000000000-0000000000000000-01"} {
		var p fn.Problem
		check.Must(t, json.Unmarshal(handle(t, b, f, `{}`, http.Header{"Traceparent": {header}}).Body, &p))
		if id, err := oteltrace.TraceIDFromHex(p.Trace); err != nil || !id.IsValid() || seen[p.Trace] {
			t.Errorf("after %q: trace %q", header, p.Trace)
		}
		seen[p.Trace] = true
	}
}

func TestACallThatBringsNoTraceIsTraced(t *testing.T) {
	t.Parallel()
	spans.Recorder()
	b := bank.New(t)
	f := declare("test-untraced-span", plain, func(context.Context, given, struct{}) (struct{}, error) {
		return struct{}{}, risk.ErrRefused
	})
	var p fn.Problem
	check.Must(t, json.Unmarshal(handle(t, b, f, `{}`, http.Header{}).Body, &p))
	if n := len(spansOf(p.Trace)); n != 1 {
		t.Errorf("%d spans of a call that brought no trace, want 1", n)
	}
}
