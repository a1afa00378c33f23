package mask_test

import (
	"testing"

	"github.com/tidebank/tidebank/shared/mask"
)

// Colons, backslashes and apostrophes also stand between the groups of a number. Times,
// ratios and amounts stay.
func TestColonsAndApostrophesHideNoNumber(t *testing.T) {
	t.Parallel()
	wantMasked(t, mask.Text, map[string]string{
		"138:0001:0001":       "138:****:0001",
		`138\0001\0001`:       `138\****\0001`,
		"138'0001'0001":       "138'****'0001",
		"12:30:45":            "12:30:45",
		"2026-11-26 12:00:41": "2026-11-26 12:00:41",
		"1'380'000.00":        "1'380'000.00",
	})
}
