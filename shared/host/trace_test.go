package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/req"
)

const spanTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

// called is a context inside a call.
func called(t *testing.T) context.Context {
	t.Helper()
	id, err := trace.TraceIDFromHex(spanTrace)
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: trace.SpanID{1},
	}))
}

// Whatever way a line is written, it has its time with a zone, and one trace: the
// call's, or outside any call the process's.
func TestEveryLineHasItsTimeAndTrace(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-002.1")
	hex := regexp.MustCompile(`^[0-9a-f]{32}$`)
	ctx := called(t)
	var out bytes.Buffer
	log := host.NewLogger(&out)
	for _, tt := range []struct {
		name   string
		write  func()
		inCall bool
	}{
		{"outside", func() { log.Info("x") }, false},
		{"with fields", func() { log.Error("x", "n", 1) }, false},
		{"derived", func() { log.With("n", 1).Warn("x") }, false},
		{"in a group", func() { log.WithGroup("g").Info("x", "n", 1) }, false},
		{"in groups", func() { log.With("n", 1).WithGroup("g").With("m", 1).WithGroup("h").Info("x", "trace", "its own") }, false},
		{"a context without a call", func() { log.InfoContext(t.Context(), "x") }, false},
		{"a worker's step", func() { stepFails(t, log) }, false},
		{"a call", func() { log.InfoContext(ctx, "x") }, true},
		{"a call, derived", func() { log.With("n", 1).InfoContext(ctx, "x") }, true},
		{"a call, in a group", func() { log.WithGroup("g").InfoContext(ctx, "x", "n", 1) }, true},
		{"named by the caller", func() { log.Info("x", slog.String("trace", spanTrace)) }, true},
		{"named in a call", func() { log.InfoContext(ctx, "x", slog.String("trace", spanTrace)) }, true},
	} {
		out.Reset()
		tt.write()
		line := out.String()
		var entry struct {
			Time  string `json:"time"`
			Trace string `json:"trace"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%s: %v in %s", tt.name, err, line)
		}
		if _, err := time.Parse(time.RFC3339Nano, entry.Time); err != nil {
			t.Errorf("%s: %v in %s", tt.name, err, line)
		}
		if !hex.MatchString(entry.Trace) || (entry.Trace == spanTrace) != tt.inCall || strings.Count(line, entry.Trace) != 1 {
			t.Errorf("%s: the trace %q in %s", tt.name, entry.Trace, line)
		}
	}
	var first, second bytes.Buffer
	host.NewLogger(&first).Info("x")
	host.NewLogger(&second).Info("x")
	if a, b := traceOf(t, first), traceOf(t, second); a == b || a == strings.Repeat("0", 32) {
		t.Errorf("two processes log the traces %s and %s", a, b)
	}
}

// stepFails lets a worker's loop take two steps, of which the first fails.
func stepFails(t *testing.T, log *slog.Logger) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	steps := 0
	pg.RunEvery(ctx, log, "fold", time.Millisecond, func(context.Context) error {
		if steps++; steps == 1 {
			return errors.New("boom")
		}
		cancel()
		return nil
	})
}

func traceOf(t *testing.T, line bytes.Buffer) string {
	t.Helper()
	var entry struct {
		Trace string `json:"trace"`
	}
	if err := json.Unmarshal(line.Bytes(), &entry); err != nil {
		t.Fatal(err)
	}
	return entry.Trace
}
