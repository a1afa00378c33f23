package clock_test

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
)

func TestBusinessDayTurnsAtMidnightInShanghai(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	last := time.Date(2026, 11, 23, 15, 59, 59, 0, time.UTC)
	if got := clock.BusinessDay(last); !got.Equal(day) {
		t.Fatalf("one second before midnight in Shanghai is %v, want %v", got, day)
	}
	if got := clock.BusinessDay(last.Add(time.Second)); !got.Equal(day.AddDate(0, 0, 1)) {
		t.Fatalf("midnight in Shanghai is still %v", got)
	}
}

func TestManualStandsUntilTurned(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := clock.NewManual(start)
	c.Advance(time.Minute)
	if got := c.Now().Sub(start); got != time.Minute {
		t.Fatalf("the clock moved by %v, want a minute", got)
	}
}
