package bankerr_test

import (
	"maps"
	"slices"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// Each code has a Chinese and an English text, and each text is in its language.
func TestEachCodeHasBothTexts(t *testing.T) {
	t.Parallel()
	chinese, english := slices.Sorted(maps.Keys(bankerr.Catalogue)), slices.Sorted(maps.Keys(bankerr.EnglishTexts))
	if diff := cmp.Diff(chinese, english); diff != "" {
		t.Errorf("codes with a text (-Chinese +English):\n%s", diff)
	}
	han := func(text string) bool {
		return slices.ContainsFunc([]rune(text), func(r rune) bool { return unicode.Is(unicode.Han, r) })
	}
	for _, code := range chinese {
		told, _ := bankerr.Lookup(code)
		if !han(told.Title) || !han(told.Advice) {
			t.Errorf("%s: %q is not Chinese", code, told)
		}
		if text, ok := bankerr.English(code); !ok || text.Title == "" || text.Advice == "" || han(text.Title+text.Advice) {
			t.Errorf("%s: %q is not English", code, text)
		}
	}
}
