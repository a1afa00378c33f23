package pg

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const maxTries = 6

// retry repeats try while its error is retryable, with growing jittered pauses. It repeats
// once if the server takes no changes, because the pool then connects anew (demoted.go).
func retry(ctx context.Context, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		again := retryable(err) || n == 1 && readOnly(err)
		if err == nil || n == maxTries || !again {
			return Classify(err)
		}
		pause := time.Duration(rand.Int64N(int64(time.Millisecond) << n)) //nolint:gosec // jitter, not a secret
		select {
		case <-ctx.Done():
			return Classify(errors.Join(err, ctx.Err()))
		case <-time.After(pause):
		}
	}
}
