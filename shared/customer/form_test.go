package customer_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/customer"
)

func TestOneNameInItsSpellings(t *testing.T) {
	t.Parallel()
	for _, spellings := range [][]string{
		{"买买提·吐尔逊", "买买提•吐尔逊", "买买提・吐尔逊", "买买提･吐尔逊", "买买提‧吐尔逊", " 买买提·吐尔逊　"},
		{"José Li", "Jose\u0301 Li", "José  Li", "Ｊosé Li"},
		{"六", "\uf9d1"},
	} {
		for _, spelling := range spellings {
			if got := customer.CanonicalName(spelling); got != spellings[0] || !customer.SameName(spelling, spellings[0]) {
				t.Errorf("%+q is %+q, want %+q", spelling, got, spellings[0])
			}
		}
	}
	for _, pair := range [][2]string{{"王小明", "王晓明"}, {"买买提·吐尔逊", "买买提吐尔逊"}, {"", ""}, {" ", "　"}, {"王明", "王 明"}} {
		if customer.SameName(pair[0], pair[1]) {
			t.Errorf("%q and %q are one name", pair[0], pair[1])
		}
	}
}

func TestCanonicalNameIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		once := customer.CanonicalName(rapid.String().Draw(t, "name"))
		if twice := customer.CanonicalName(once); twice != once {
			t.Fatalf("%+q becomes %+q", once, twice)
		}
	})
}

func TestCanonicalIDNo(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"110101199003070011": "110101199003070011", "11010119900307002X": "11010119900307002X",
		"11010119900307002x": "11010119900307002X", " 110101199003070011\n": "110101199003070011",
		"110101199003070012": "", "110101199003070021": "", "11010119900307001": "", "1101011990030700111": "",
		"1101011990030700１1": "", "11010119900307X011": "", "": "",
	} {
		if got, ok := customer.CanonicalIDNo(number); ok != (want != "") || ok && got != want {
			t.Errorf("CanonicalIDNo(%q) = %q, %v", number, got, ok)
		}
	}
}

// A wrong digit, or two neighbours changed over, never pass.
func TestCheckDigitFindsTypingErrors(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		right := customer.CompleteIDNo(rapid.StringMatching(`[0-9]{17}`).Draw(t, "digits"))
		wrong := []byte(right)
		if i := rapid.IntRange(0, 16).Draw(t, "place"); rapid.Bool().Draw(t, "digit") || i == 16 {
			wrong[i] = '0' + (wrong[i]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		} else {
			wrong[i], wrong[i+1] = wrong[i+1], wrong[i]
		}
		if _, ok := customer.CanonicalIDNo(string(wrong)); ok && string(wrong) != right {
			t.Fatalf("%s passes for %s", wrong, right)
		}
	})
}
