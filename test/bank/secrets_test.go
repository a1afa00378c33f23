package bank_test

import (
	"testing"

	"github.com/tidebank/tidebank/test/bank"
)

func TestValuesInATextAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"password 739164": true, "x739164y": true, "id 0190c3a0-7391-7391-6473-739164000000": false,
		"trace 4bf92f3577b34da6a3739164d0e0e473": false, "2026-11-23T10:00:00.739164+08:00": false, "73916 4": false,
	} {
		if got := bank.Shows(text, "739164"); got != want {
			t.Errorf("%q shows the password: %v, want %v", text, got, want)
		}
	}
	for _, long := range []string{"110101199003070011", "6228480000000010001", "王小明", "13810007919"} {
		if !bank.Shows("a text with "+long+" in it", long) {
			t.Errorf("%q is not found", long)
		}
	}
}
