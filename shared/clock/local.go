package clock

import "time"

// Local is the instant in Shanghai's time; nil stays nil.
func Local(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	local := t.In(Shanghai)
	return &local
}
