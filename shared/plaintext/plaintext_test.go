package plaintext_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/plaintext"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", " ": "", "房租　九月": "房租 九月", "\u00a0a\t\u2003b ": "a b", "a\nb": "a\nb", "a\u200bb": "a\u200bb",
	} {
		if got := plaintext.Line(text); got != want {
			t.Errorf("%+q becomes %+q, want %+q", text, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": true, "房租 9": true, "❤\ufe0f": true, "🇨🇳": true, "👨\u200d👩\u200d👧": true, "❤\ufe0f\u200d🔥": true, "👩🏽\u200d🚀": true,
		"\U0002EBF0": true, "\U00020000": true, "\U0003FFFD": true, "\U0003FFFE": false, "\U0001FFFE": false,
		"a\nb": false, "\u200b": false, "\u202e1": false, "a\u200db": false, "👨\u200d": false, "\u200d👨": false, "👨\u200da": false,
		"a\u200d👨": false, "👨\u200d\u200d👩": false, "　": false, "\u00a0": false, "\x00": false,
	} {
		if got := plaintext.Printable(text); got != want {
			t.Errorf("Printable(%+q) = %v", text, got)
		}
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, " 　": false, "\u3164": false, "\u115f\u1160\uffa0": false, "\u2800": false, "\ufe0f": false, "\u180e": false,
		"\u0301": false, "\U000E0001": false, "\u034f": false, "房": true, "7": true, "-": true, "❤\ufe0f": true, "e\u0301": true,
		"\U0002EBF0": true, "\u3164x": true,
	} {
		if got := plaintext.Visible(text); got != want {
			t.Errorf("Visible(%+q) = %v", text, got)
		}
	}
}

func TestLineIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		once := plaintext.Line(rapid.String().Draw(t, "text"))
		if twice := plaintext.Line(once); twice != once {
			t.Fatalf("%+q becomes %+q", once, twice)
		}
	})
}
