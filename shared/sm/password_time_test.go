package sm_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// apart is how much longer one check may take than another, in percent.
const apart = 10

// TestCheckingTakesOneTime compares the fastest of many checks of passwords that
// differ from the right one at the start, in the middle, at the end, in length and
// not at all. On a busy machine it takes more turns until each has met a quiet moment.
func TestCheckingTakesOneTime(t *testing.T) { //nolint:paralleltest // other tests would be measured too
	req.Covers(t, "PWD-018.3")
	const right = "tide-2026x"
	stored, err := sm.HashPassword([]byte(right), 10_000)
	check.Must(t, err)
	fastest := map[string]time.Duration{}
	for turn := range 500 {
		for name, guess := range map[string]string{
			"first": "Tide-2026x", "middle": "tide_2026x", "last": "tide-2026y", "shorter": "tide-2026", "longer": "tide-2026xx",
			"all": "ABCDEFGHIJ", "none": right, "empty": "", "much longer": strings.Repeat("x", 64),
		} {
			began := time.Now()
			_, _ = sm.CheckPassword(stored, []byte(guess), 10_000) // other tests check the answer
			if took := time.Since(began); fastest[name] == 0 || took < fastest[name] {
				fastest[name] = took
			}
		}
		times := slices.Sorted(maps.Values(fastest))
		if turn >= 10 && times[len(times)-1] <= times[0]*(100+apart)/100 && times[0] > time.Millisecond/2 {
			return
		}
	}
	t.Errorf("the time of a check tells where a password differs, or is too short: %v", fastest)
}
