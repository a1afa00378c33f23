package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// tracing holds those of OpenTelemetry's variables that decide whether spans are
// exported. The SDK reads the others itself, OTEL_SERVICE_NAME among them.
type tracing struct {
	Disabled       string `envconfig:"OTEL_SDK_DISABLED"`
	Exporter       string `envconfig:"OTEL_TRACES_EXPORTER"`
	Endpoint       string `envconfig:"OTEL_EXPORTER_OTLP_ENDPOINT" form:"http"`
	TracesEndpoint string `envconfig:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" form:"http"`
	Protocol       string `envconfig:"OTEL_EXPORTER_OTLP_PROTOCOL"`
	TracesProtocol string `envconfig:"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"`
}

// Reasons why a process does not start with OpenTelemetry's variables.
var (
	errProtocol = errors.New("OTEL_EXPORTER_OTLP_PROTOCOL: only http/protobuf is built in")
	errExporter = errors.New("OTEL_TRACES_EXPORTER: only otlp and none are built in")
)

// exports reports whether spans leave the process.
func (t tracing) exports() (bool, error) {
	if strings.EqualFold(strings.TrimSpace(t.Disabled), "true") || t.Exporter == "none" {
		return false, nil
	}
	if t.Endpoint == "" && t.TracesEndpoint == "" {
		return false, nil
	}
	switch {
	case cmp.Or(t.Exporter, "otlp") != "otlp":
		return false, errExporter
	case cmp.Or(t.TracesProtocol, t.Protocol, "http/protobuf") != "http/protobuf":
		return false, errProtocol
	}
	return true, nil
}

// StartTracing exports spans by OTLP over HTTP when OpenTelemetry's variables name a
// collector; without a collector, spans cost nothing.
func StartTracing(ctx context.Context, service string) (stop func(), err error) {
	var config tracing
	if err := EnvironmentOf(service)(&config); err != nil { //nolint:contextcheck // a wait for a secret has its own bound
		return nil, err
	}
	if yes, err := config.exports(); err != nil || !yes {
		return func() {}, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", service)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("tracing: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))
	otel.SetTracerProvider(provider)
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = provider.Shutdown(ctx) // losing the last spans loses no money
	}, nil
}
