package host

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
)

// NewLogger writes JSON lines from which whatever looks like personal data or a
// secret has been struck out, however it got there (AUDIT-005).
func NewLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: redact}))
}

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
