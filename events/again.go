package events

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Permanent reports whether a consumer that answers an event with the status refuses it
// for good: no later try can succeed.
func Permanent(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// Pause is the time before an event is tried again. It doubles with each failed attempt,
// up to most, and is shortened by a random part of up to a half.
func Pause(base, most time.Duration, failed int) time.Duration {
	full := min(base<<min(failed, 12), most)
	return full - time.Duration(rand.Int64N(int64(full)/2+1)) //nolint:gosec // jitter, not a secret
}
