package idno_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/idno"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"110101199003070011": "110101199003070011", "11010119900307002X": "11010119900307002X",
		"11010119900307002x": "11010119900307002X", " 110101199003070011\n": "110101199003070011",
		"110101199003070012": "", "110101199003070021": "", "11010119900307001": "", "1101011990030700111": "",
		"1101011990030700１1": "110101199003070011", "1101 0119 9003 0700 11": "110101199003070011",
		"１１０１０１１９９００３０７００２Ｘ": "11010119900307002X", "110101-19900307–002x": "11010119900307002X",
		"1101011990030700é1": "", "11010119900307X011": "", "": "",
	} {
		if got, ok := idno.Canonical(number); ok != (want != "") || ok && got != want {
			t.Errorf("Canonical(%q) = %q, %v", number, got, ok)
		}
	}
}

// A wrong digit, or two neighbours changed over, never pass.
func TestCheckDigitFindsTypingErrors(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		right := idno.Complete(rapid.StringMatching(`[0-9]{17}`).Draw(t, "digits"))
		wrong := []byte(right)
		if i := rapid.IntRange(0, 16).Draw(t, "place"); rapid.Bool().Draw(t, "digit") || i == 16 {
			wrong[i] = '0' + (wrong[i]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		} else {
			wrong[i], wrong[i+1] = wrong[i+1], wrong[i]
		}
		if _, ok := idno.Canonical(string(wrong)); ok && string(wrong) != right {
			t.Fatalf("%s passes for %s", wrong, right)
		}
	})
}
