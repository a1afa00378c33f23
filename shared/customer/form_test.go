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
		{"王小明", "王小明\u200b", "\ufeff王小明\u200e", "王\u2060小明", "\u202a王小明\u202c", "\u202e王小明", "\u2068王小明\u2069"},
		{"买买提·吐尔逊", "买买提\ua78f吐尔逊", "买买提⸱吐尔逊", "买买提·吐尔逊"},
		{"José Li", "Jose\u0301 Li", "José  Li", "Ｊosé Li"},
		{"六", "\uf9d1"},
	} {
		for _, spelling := range spellings {
			if got := customer.CanonicalName(spelling); got != spellings[0] || !customer.SameName(spelling, spellings[0]) {
				t.Errorf("%+q is %+q, want %+q", spelling, got, spellings[0])
			}
		}
	}
	for _, pair := range [][2]string{
		{"王小明", "王晓明"},
		{"O'Brien", "OBrien"},
		{"Ann Lee", "AnnLee"},
		{"\u200b", "\u200b"},
		{"\ufe00", "\ufe00"},
		{"买买提·吐尔逊", "买买提吐尔逊"},
		{"", ""},
		{" ", "　"},
	} {
		if customer.SameName(pair[0], pair[1]) {
			t.Errorf("%q and %q are one name", pair[0], pair[1])
		}
	}
}

// The stored form of a name keeps what its holder may see. The comparison ignores it.
func TestNamesThatDifferInFormOnly(t *testing.T) {
	t.Parallel()
	for stored, spellings := range map[string][]string{
		"买买提·吐尔逊": {"买买提.吐尔逊", "买买提．吐尔逊", "买买提﹒吐尔逊", "买买提 · 吐尔逊", "买买提 . 吐尔逊", "买买提· 吐尔逊", "买买提·吐尔逊\u200c"},
		"王小明":     {"王 小明", "王　小　明", "王\u00a0小明"},
		"WANG Xi": {"Wang Xi", "wang xi", "Ｗang　XI"},
		"O'Brien": {"O’Brien", "O‘Brien", "Oʼbrien", "O′Brien", "O＇BRIEN", "O`Brien", "O´Brien"},
		"葛明":      {"葛\U000E0101明", "葛\ufe00明", "葛 \U000E0100明"},
		"J. Li":   {"J. Li", "j.Li", "J · Li"},
	} {
		for _, spelling := range spellings {
			if !customer.SameName(stored, spelling) || !customer.SameName(customer.CanonicalName(spelling), stored) {
				t.Errorf("%+q is not %+q", spelling, stored)
			}
		}
		if got := customer.CanonicalName(stored); got != stored {
			t.Errorf("%q is stored as %q", stored, got)
		}
	}
}

// noName are texts in which nobody reads a name.
var noName = []string{
	"", " ", "　", "\u202e", "\u3164", "\uffa0", "\u115f", "\u2800", "\ufe0f", "\u180e", "\u0301", "\U000E0001", "\u034f",
	"12345", "-", "·", "'",
}

func TestANameHasALetter(t *testing.T) {
	t.Parallel()
	for _, text := range noName {
		if customer.ValidName(text) {
			t.Errorf("%+q is a name", text)
		}
	}
	for _, name := range []string{"王", "王小明", "\u202e王", "O'Brien", "é", "김", "J2", "\U00020000", "\U0002EBF0", "买买提·吐尔逊"} {
		if !customer.ValidName(name) {
			t.Errorf("%+q is no name", name)
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
