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

	"github.com/tidebank/tidebank/shared/mask"
)

// NewLogger writes JSON lines, each with its time and a trace id (AUDIT-002). The
// logger strikes out every text that looks like personal data or a secret
// (AUDIT-005).
func NewLogger(w io.Writer) *slog.Logger {
	var own trace.TraceID
	_, _ = rand.Read(own[:]) // never fails (crypto/rand)
	root := slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: redact})
	return slog.New(traced{Handler: root, root: root, own: own.String()})
}

// traced adds a trace id to each line: the trace of the line's context, or the trace
// of the process outside calls. The trace stands at the top level of the line, also
// inside a group.
type traced struct {
	slog.Handler              // root with the derived attributes and groups
	root         slog.Handler // the handler without them
	derive       []func(slog.Handler) slog.Handler
	own          string
	grouped      bool
}

// Handle writes a line. If the caller gave a trace, Handle adds no second trace.
func (t traced) Handle(ctx context.Context, r slog.Record) error {
	given := false
	r.Attrs(func(a slog.Attr) bool {
		given = a.Key == "trace" && !t.grouped
		return !given
	})
	if given {
		return t.Handler.Handle(ctx, r) //nolint:wrapcheck // the caller is slog
	}
	id := t.own
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		id = span.TraceID().String()
	}
	h := t.root.WithAttrs([]slog.Attr{slog.String("trace", id)})
	for _, derive := range t.derive {
		h = derive(h)
	}
	return h.Handle(ctx, r) //nolint:wrapcheck // the caller is slog
}

// WithAttrs returns a handler that also adds the trace.
func (t traced) WithAttrs(attrs []slog.Attr) slog.Handler {
	return t.with(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

// WithGroup returns a handler that also adds the trace, outside the group.
func (t traced) WithGroup(name string) slog.Handler {
	t.grouped = t.grouped || name != ""
	return t.with(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (t traced) with(derive func(slog.Handler) slog.Handler) slog.Handler {
	t.Handler = derive(t.Handler)
	t.derive = append(slices.Clip(t.derive), derive)
	return t
}

const redacted = "[redacted]"

var (
	secretName   = regexp.MustCompile(`(?i)password|secret|otp|pin$|signature|token`)
	secretMember = regexp.MustCompile(`(?i)("[^"]*(?:password|secret|otp|pin|signature|token)"\s*:\s*)("(?:[^"\\]|\\.)*"|[^,}\]]+)`)
	longDigits   = regexp.MustCompile(`\b(?:1\d{10}|\d{15,19}|\d{17}[\dXx])\b`)
)

// strike strikes out personal numbers, in every spelling, and also inside a word such
// as phone-13800010001.
func strike(text string) string {
	return longDigits.ReplaceAllString(mask.Redact(text, redacted), redacted)
}

func redact(groups []string, a slog.Attr) slog.Attr {
	a.Key = strike(a.Key)
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
	return slog.String(a.Key, strike(plainText(a.Value.Any())))
}

// plainText returns the value as readable text, with secrets struck out by their
// names.
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
