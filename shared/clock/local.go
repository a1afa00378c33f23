package clock

import "time"

// Local returns the instant in Shanghai's time, or nil for nil.
func Local(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	local := t.In(Shanghai)
	return &local
}
