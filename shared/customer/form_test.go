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
