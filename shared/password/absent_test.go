package password

import (
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// An unknown number must cost what a known one does: the password that stands in
// for the missing one has the form, the rounds and the sizes of a real one.
func TestTheAbsentPasswordCostsWhatARealOneDoes(t *testing.T) {
	t.Parallel()
	stored, err := sm.HashPassword([]byte("tide-2026x"))
	check.Must(t, err)
	known, stand := strings.Split(stored, "$"), strings.Split(absent, "$")
	if len(known) != len(stand) || known[0] != stand[0] || known[1] != stand[1] {
		t.Fatalf("%q is not of the form of %q", absent, stored)
	}
	for i := 2; i < len(known); i++ {
		if len(known[i]) != len(stand[i]) {
			t.Errorf("part %d has %d characters, a real one has %d", i, len(stand[i]), len(known[i]))
		}
	}
	for _, guess := range []string{"", "tide-2026x", absent} {
		if sm.CheckPassword(absent, []byte(guess)) == nil {
			t.Errorf("%q opens the absent password", guess)
		}
	}
}
