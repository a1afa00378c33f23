// Package spans records the spans of a test process.
package spans

import (
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// Recorder returns the one recorder of this test process, because OpenTelemetry's
// provider is global. It records from its first call on.
var Recorder = sync.OnceValue(func() *tracetest.InMemoryExporter {
	exporter := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(exporter)))
	return exporter
})

// Of returns the spans of a trace that have ended.
func Of(trace string) (found []tracetest.SpanStub) {
	for _, s := range Recorder().GetSpans() {
		if s.SpanContext.TraceID().String() == trace {
			found = append(found, s)
		}
	}
	return found
}
