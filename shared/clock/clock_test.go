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

func TestUntilNextDay(t *testing.T) {
	t.Parallel()
	for at, want := range map[time.Time]time.Duration{
		time.Date(2026, 11, 23, 0, 0, 0, 0, clock.Shanghai):   24 * time.Hour,
		time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai):  14 * time.Hour,
		time.Date(2026, 11, 23, 15, 59, 59, 0, time.UTC):      time.Second,
		time.Date(2026, 12, 31, 23, 59, 0, 0, clock.Shanghai): time.Minute,
		time.Date(2026, 11, 23, 23, 59, 59, 999, time.UTC):    16*time.Hour + time.Second - 999,
	} {
		if got := clock.UntilNextDay(at); got != want {
			t.Errorf("from %v: %v, want %v", at, got, want)
		}
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
