package broker

import (
	"testing"
	"time"
)

// A pause doubles with each attempt up to a minute, and is between half of that
// and all of it by chance.
func TestPause(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		backoff  time.Duration
		attempts int
		most     time.Duration
	}{
		{0, 1, 400 * time.Millisecond},
		{0, 2, 800 * time.Millisecond},
		{0, 8, 51200 * time.Millisecond},
		{0, 9, time.Minute},
		{0, 1 << 20, time.Minute},
		{time.Second, 1, 2 * time.Second},
		{time.Second, 5, 32 * time.Second},
		{time.Second, 6, time.Minute},
		{time.Hour, 1, time.Minute},
		{time.Nanosecond, 1, 2},
	} {
		b := &Broker{Backoff: tt.backoff}
		low, high := tt.most, time.Duration(0)
		for range 1000 {
			got := b.pause(tt.attempts)
			low, high = min(low, got), max(high, got)
		}
		if low < tt.most/2 || high > tt.most {
			t.Errorf("%v, attempt %d: from %v to %v, want %v to %v", tt.backoff, tt.attempts, low, high, tt.most/2, tt.most)
		}
		// A thousand draws come near to both ends, if they are draws.
		if near := tt.most / 20; low > tt.most/2+near || high < tt.most-near {
			t.Errorf("%v, attempt %d: only from %v to %v", tt.backoff, tt.attempts, low, high)
		}
	}
}
