package bank

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

var traceForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

// CheckLog reports the first line that is not JSON, or lacks a time with zone or a
// trace id. Every test's log is checked when the test ends (AUDIT-002).
func CheckLog(text string) error {
	for line := range strings.Lines(text) {
		var entry struct {
			Time  string `json:"time"`
			Trace string `json:"trace"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			return fmt.Errorf("the log line %q: %w", line, err)
		}
		if _, err := time.Parse(time.RFC3339Nano, entry.Time); err != nil {
			return fmt.Errorf("the time of the log line %q: %w", line, err)
		}
		if !traceForm.MatchString(entry.Trace) {
			return fmt.Errorf("no trace in the log line %q", line)
		}
	}
	return nil
}
