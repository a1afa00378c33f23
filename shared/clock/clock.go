// Package clock tells the time and the bank's business day to code whose decisions
// depend on them.
//
// Instants are absolute; a business day is the calendar day in Asia/Shanghai,
// carried as that date at midnight UTC so that it fits a PostgreSQL date.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time. Implementations are safe for concurrent use.
type Clock interface{ Now() time.Time }

// System is the machine's clock.
type System struct{}

// Now returns the current instant.
func (System) Now() time.Time { return time.Now() } //nolint:forbidigo // all other code uses this clock

// Shanghai is the bank's time zone. China keeps no daylight saving time, so a
// fixed zone needs no time-zone database in the image.
var Shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// BusinessDay returns the bank's calendar day at t.
func BusinessDay(t time.Time) time.Time {
	y, m, d := t.In(Shanghai).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// UntilNextDay returns the time from t to the next business day.
func UntilNextDay(t time.Time) time.Duration {
	y, m, d := t.In(Shanghai).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, Shanghai).Sub(t)
}

// Manual is a clock that tests set by hand.
type Manual struct {
	mu  sync.Mutex
	now time.Time
}

// NewManual returns a clock that shows t.
func NewManual(t time.Time) *Manual { return &Manual{now: t} }

// Now returns the instant that the clock shows.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Advance turns the clock forward.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}
