package bankerr_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
)

func TestFromKeepsTheRefusalAndHidesTheRest(t *testing.T) {
	t.Parallel()
	refused := bankerr.New(bankerr.Refused, "FUNDS_INSUFFICIENT")
	cause := errors.New("row 17 of account 6222")
	tests := []struct {
		name   string
		err    error
		code   string
		status int
	}{
		{"bare", refused, "FUNDS_INSUFFICIENT", http.StatusUnprocessableEntity},
		{"with cause", refused.Because(cause), "FUNDS_INSUFFICIENT", http.StatusUnprocessableEntity},
		{"wrapped", fmt.Errorf("post: %w", refused), "FUNDS_INSUFFICIENT", http.StatusUnprocessableEntity},
		{"foreign", cause, "INTERNAL_ERROR", http.StatusInternalServerError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := bankerr.From(tt.err)
			if got.Code() != tt.code || got.Kind().Status() != tt.status {
				t.Fatalf("From(%v) = %s %d, want %s %d", tt.err, got.Code(), got.Kind().Status(), tt.code, tt.status)
			}
		})
	}
	if bankerr.From(nil) != nil {
		t.Fatal("From(nil) is a refusal")
	}
}

// Logs show the code, and the cause if there is one.
func TestErrorIsForLogs(t *testing.T) {
	t.Parallel()
	refused := bankerr.New(bankerr.Refused, "FUNDS_INSUFFICIENT")
	for want, err := range map[string]error{
		"FUNDS_INSUFFICIENT":              refused,
		"FUNDS_INSUFFICIENT: row 17":      refused.Because(errors.New("row 17")),
		"INPUT_INVALID: amount: too long": bankerr.InvalidField("amount", "too long"),
	} {
		if got := err.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSameRefusalWhateverItsCause(t *testing.T) {
	t.Parallel()
	e := bankerr.New(bankerr.TooMany, "RATE_LIMITED")
	cause := errors.New("bucket empty")
	got := e.Because(cause).WithRetryAfter(time.Minute)
	if !errors.Is(got, e) || !errors.Is(got, cause) {
		t.Fatalf("%v lost its code or its cause", got)
	}
	if errors.Is(got, bankerr.ErrInternal) {
		t.Fatalf("%v equals another code", got)
	}
	if got.RetryAfter() != time.Minute || e.RetryAfter() != 0 {
		t.Fatal("WithRetryAfter changed the declared error instead of a copy")
	}
}
