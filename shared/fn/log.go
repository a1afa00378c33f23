package fn

import (
	"io"
	"log/slog"
	"regexp"
)

// NewLogger writes JSON lines from which whatever looks like personal data or a
// secret has been struck out, however it got there (AUDIT-005).
func NewLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: redact}))
}

var (
	secretName = regexp.MustCompile(`(?i)password|secret|otp|pin$|signature|token`)
	longDigits = regexp.MustCompile(`\b(?:1\d{10}|\d{15,19}|\d{17}[\dXx])\b`)
)

func redact(_ []string, a slog.Attr) slog.Attr {
	if secretName.MatchString(a.Key) {
		return slog.String(a.Key, "[redacted]")
	}
	switch v := a.Value.Any().(type) {
	case string:
		return slog.String(a.Key, longDigits.ReplaceAllString(v, "[redacted]"))
	case error:
		return slog.String(a.Key, longDigits.ReplaceAllString(v.Error(), "[redacted]"))
	}
	return a
}
