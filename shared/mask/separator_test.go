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
		"①③⑧00010001":         "①③⑧****0001",
		"¹³⁸00010001":         "¹³⁸****0001",
		"①13800010001":        "①138****0001",
		"13800010001²":        "138****0001²",
		"面积10²":               "面积10²",
		"12:30:45":            "12:30:45",
		"2026-11-26 12:00:41": "2026-11-26 12:00:41",
		"1'380'000.00":        "1'380'000.00",
	})
}
