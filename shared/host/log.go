package host

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// NewLogger writes JSON lines, each with its time and a trace id (AUDIT-002). Whatever
// looks like personal data or a secret is struck out, however it got there (AUDIT-005).
func NewLogger(w io.Writer) *slog.Logger {
	var own trace.TraceID
	_, _ = rand.Read(own[:]) // never fails (crypto/rand)
	return slog.New(traced{slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: redact}), own.String()})
}

// traced adds to each line the trace of its context, or, outside any call, the trace
// of the process.
type traced struct {
	slog.Handler
	own string
}

// Handle writes a line.
func (t traced) Handle(ctx context.Context, r slog.Record) error {
	has := false
	r.Attrs(func(a slog.Attr) bool {
		has = has || a.Key == "trace"
		return !has
	})
	if !has {
		id := t.own
		if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
			id = span.TraceID().String()
		}
		r = r.Clone()
		r.AddAttrs(slog.String("trace", id))
	}
	return t.Handler.Handle(ctx, r) //nolint:wrapcheck // slog's own
}

// WithAttrs keeps the trace on what is derived.
func (t traced) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traced{t.Handler.WithAttrs(attrs), t.own}
}

// WithGroup keeps the trace on what is derived.
func (t traced) WithGroup(name string) slog.Handler { return traced{t.Handler.WithGroup(name), t.own} }

const redacted = "[redacted]"

var (
	secretName   = regexp.MustCompile(`(?i)password|secret|otp|pin$|signature|token`)
	secretMember = regexp.MustCompile(`(?i)("[^"]*(?:password|secret|otp|pin|signature|token)"\s*:\s*)("(?:[^"\\]|\\.)*"|[^,}\]]+)`)
	longDigits   = regexp.MustCompile(`\b(?:1\d{10}|\d{15,19}|\d{17}[\dXx])\b`)
)

func redact(groups []string, a slog.Attr) slog.Attr {
	a.Key = longDigits.ReplaceAllString(a.Key, redacted)
	if slices.ContainsFunc(append(groups[:len(groups):len(groups)], a.Key), secretName.MatchString) {
		return slog.String(a.Key, redacted)
	}
	switch a.Value.Kind() {
	case slog.KindBool, slog.KindDuration, slog.KindTime, slog.KindGroup, slog.KindFloat64:
		return a
	case slog.KindInt64, slog.KindUint64:
		if longDigits.MatchString(a.Value.String()) {
			return slog.String(a.Key, redacted)
		}
		return a
	default: // text, and values of any other type
	}
	if level, ok := a.Value.Any().(slog.Level); ok {
		return slog.String(a.Key, level.String())
	}
	return slog.String(a.Key, longDigits.ReplaceAllString(plainText(a.Value.Any()), redacted))
}

// plainText is a value as it would be read, with secrets by name struck out.
func plainText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	}
	text, err := json.Marshal(value)
	if err != nil || string(text) == "{}" {
		return fmt.Sprint(value)
	}
	return secretMember.ReplaceAllString(string(text), `${1}"[redacted]"`)
}
