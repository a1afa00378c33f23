package digits_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/digits"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, spelling := range []string{
		"6228480098765432", "6228 4800 9876 5432", " 6228-4800-9876-5432\n", "6228–4800—9876−5432", "6228.4800.9876．5432",
		"６２２８４８００９８７６５４３２", "6228\u200b4800\ufeff9876\u00a05432", "6228　4800·9876・5432", "6228_4800－9876_5432",
	} {
		if got := digits.Canonical(spelling); got != "6228480098765432" {
			t.Errorf("%+q becomes %+q", spelling, got)
		}
	}
	for spelling, want := range map[string]string{"": "", "a1": "a1", "1/2": "1/2", "＋86": "+86", "12Ｘ": "12X", "一": "一"} {
		if got := digits.Canonical(spelling); got != want {
			t.Errorf("%+q becomes %+q, want %+q", spelling, got, want)
		}
	}
}

func TestCanonicalIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		once := digits.Canonical(rapid.String().Draw(t, "number"))
		if twice := digits.Canonical(once); twice != once || strings.ContainsAny(once, " -.") {
			t.Fatalf("%+q becomes %+q", once, twice)
		}
	})
}
