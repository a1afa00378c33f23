// Package downstream times the answers of the services that the bank's processes call,
// and traces them.
//
// Each service has one Timer in a process. Its two metrics carry the service's name, so
// an alert can name the service that has become slow or does not answer. A span holds a
// name that the source code gives, and never an argument, because arguments are
// customers' data. A call has a span only if its caller's span is recorded. Without a
// collector of traces, spans cost nothing. A Timer is safe for concurrent use; a nil
// Timer times nothing.
//
// Source: CLOUD-004 (an alert names the slow dependency).
package downstream

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/shared/clock"
)

// ErrClear is the reason why a process does not start with an address to which data would
// leave in clear. The error of each client wraps it and names the setting.
var ErrClear = errors.New("the connection must be encrypted")

// Name is the name of a service, as metrics, alerts and runbooks use it.
type Name string

// The services.
const (
	PostgreSQL   Name = "postgresql"
	Redis        Name = "redis"
	SMS          Name = "sms-gateway"
	Certificates Name = "certificate-authority"
	Face         Name = "face-engine"
	Broker       Name = "event-broker" // the receiver of the relay's events
)

// Names lists the services.
func Names() []Name { return []Name{PostgreSQL, Redis, SMS, Certificates, Face, Broker} }

// Timer times the calls of one service.
type Timer struct {
	name     Name
	seconds  prometheus.Histogram
	failures prometheus.Counter
}

// NewTimer returns the timer of a service. Register registers its metrics.
func NewTimer(name Name) *Timer {
	label := prometheus.Labels{"dependency": string(name)}
	return &Timer{
		name: name,
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidebank_dependency_seconds", Help: "Time until a service that the bank calls has answered.",
			ConstLabels: label, Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tidebank_dependency_failures_total", Help: "Calls of a service that got no answer, or an answer that it is down.",
			ConstLabels: label,
		}),
	}
}

// Register registers the metrics, and returns the timer to use: t, or the one that this
// process has registered for the service before.
func (t *Timer) Register(registry prometheus.Registerer) *Timer {
	used := *t
	var there prometheus.AlreadyRegisteredError
	if err := registry.Register(t.seconds); errors.As(err, &there) {
		used.seconds, _ = there.ExistingCollector.(prometheus.Histogram)
	}
	if err := registry.Register(t.failures); errors.As(err, &there) {
		used.failures, _ = there.ExistingCollector.(prometheus.Counter)
	}
	return &used
}

// Traced reports whether a call would have a span.
func Traced(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// Call is a call of a service that has begun.
type Call struct {
	timer *Timer
	begun time.Time
	span  trace.Span // nil if it is not recorded
}

// Begin begins a call. what names it in a span: a constant of the source code. parts name
// its parts, if it has several.
func (t *Timer) Begin(ctx context.Context, what string, parts ...string) (context.Context, Call) {
	if t == nil {
		return ctx, Call{}
	}
	c := Call{timer: t, begun: clock.System{}.Now()}
	if !Traced(ctx) {
		return ctx, c
	}
	attributes := []attribute.KeyValue{attribute.String("peer.service", string(t.name))}
	if len(parts) > 0 {
		attributes = append(attributes, attribute.StringSlice("parts", parts))
	}
	ctx, c.span = otel.Tracer("github.com/tidebank/tidebank/shared/downstream").Start(ctx, what,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	return ctx, c
}

// End ends the call. failed says that the service gave no answer, or answered that it is
// down. A refusal is an answer.
func (c Call) End(failed bool) {
	if c.timer == nil {
		return
	}
	c.timer.seconds.Observe(clock.System{}.Now().Sub(c.begun).Seconds())
	if failed {
		c.timer.failures.Inc()
	}
	if c.span == nil {
		return
	}
	if failed { // the cause stands in the log: it may hold data of customers
		c.span.SetStatus(codes.Error, "no answer")
	}
	c.span.End()
}
