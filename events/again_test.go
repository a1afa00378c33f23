package events_test

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/events"
)

func TestThePauseDoublesUpToItsMost(t *testing.T) {
	t.Parallel()
	for failed, full := range map[int]time.Duration{
		0: time.Second, 1: 2 * time.Second, 3: 8 * time.Second, 4: 10 * time.Second, 99: 10 * time.Second,
	} {
		for range 100 {
			if got := events.Pause(time.Second, 10*time.Second, failed); got < full/2 || got > full {
				t.Errorf("after %d failures: %v, want between a half and the whole of %v", failed, got, full)
			}
		}
	}
}
