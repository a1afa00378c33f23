// Package plaintext decides which free text of a customer may stand in a text to sign:
// one line that looks the same everywhere. All functions are pure.
package plaintext

import (
	"strings"
	"unicode"
)

// Line is the text with one plain blank for each run of blanks of any kind or tabs, and
// none at the ends.
func Line(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\t' || unicode.Is(unicode.Zs, r) }), " ")
}

const joiner = '\u200D' // ZERO WIDTH JOINER

// Printable reports whether each character of the text can be seen. A joiner may stand
// between two pictures only: it joins them into one emoji.
func Printable(text string) bool {
	list := []rune(text)
	for i, r := range list {
		switch {
		case r == joiner:
			if i == 0 || i == len(list)-1 || !unicode.In(list[i-1], unicode.S, unicode.Variation_Selector) ||
				!unicode.Is(unicode.So, list[i+1]) {
				return false
			}
		case RareIdeograph(r):
		case !unicode.IsPrint(r):
			return false
		}
	}
	return true
}

// RareIdeograph reports whether r is in the planes of rare ideographs, also if it is younger
// than Go's tables.
func RareIdeograph(r rune) bool { return 0x20000 <= r && r <= 0x3FFFD }

const brailleBlank = '\u2800' // a symbol to Unicode, without a dot

// Visible reports whether the text has a character that a person sees: a blank, a mark
// without its letter, and a filler are none.
func Visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return r != brailleBlank && !unicode.IsSpace(r) &&
			!unicode.In(r, unicode.Cc, unicode.Cf, unicode.M, unicode.Other_Default_Ignorable_Code_Point)
	})
}
