package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/events"
)

// newRecord begins the access record of an operator's command: with a trace of its own,
// which the returned context carries, and this computer's name.
func newRecord(ctx context.Context, function, category, reason string) (context.Context, events.AccessRecorded, error) {
	var id trace.TraceID
	var span trace.SpanID
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	_, _ = rand.Read(span[:])
	ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span}))
	computer, err := os.Hostname()
	if err != nil {
		return ctx, events.AccessRecorded{}, fmt.Errorf("this computer's name: %w", err)
	}
	return ctx, events.AccessRecorded{
		Function: function, Outcome: "OK", Category: category, Trace: id.String(), Reason: reason, DeviceID: computer,
	}, nil
}
