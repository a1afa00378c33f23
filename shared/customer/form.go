package customer

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/tidebank/tidebank/shared/plaintext"
)

const interpunct = '·'

// CanonicalName is the one form in which names are stored: Unicode NFKC, each middle dot
// as · (U+00B7), single spaces between words only, and no format character (Cf): contacts
// and web pages wrap names in marks of direction.
// People type 买买提•吐尔逊 for 买买提·吐尔逊, and keyboards differ in how they write é.
func CanonicalName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r):
			return -1
		case r == '´': // NFKC makes a blank and an accent of it
			return '\''
		}
		return r
	}, name)
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune("•‧∙⋅・･●\uA78F\u2E31\u2E33", r) {
			return interpunct
		}
		return r
	}, norm.NFKC.String(name))
	return strings.Join(strings.FieldsFunc(name, unicode.IsSpace), " ")
}

// ValidName reports whether the text can be a person's name: its compared form has a
// letter of any script. Hangul fillers are letters to Unicode, but nobody sees them.
// A text without a letter is no attempt to guess a name, so check it before you count.
func ValidName(name string) bool { return strings.ContainsFunc(compared(name), isLetter) }

func isLetter(r rune) bool {
	return (plaintext.RareIdeograph(r) || unicode.IsLetter(r)) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// SameName reports whether two spellings are of one name. No name is the empty one.
// Letter case, the kind of an apostrophe, a dot or a dash, blanks beside a middle dot or
// between Han characters, and variation selectors make no other name.
func SameName(a, b string) bool {
	a, b = compared(a), compared(b)
	return a != "" && a == b
}

// compared is the form in which names are compared. It is shown to nobody.
func compared(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Variation_Selector, r):
			return -1
		case r == '.':
			return interpunct
		case strings.ContainsRune("‘’‛ʹʻʼʽˈ′`", r):
			return '\''
		case unicode.Is(unicode.Pd, r):
			return '-'
		}
		return unicode.ToLower(unicode.ToUpper(r))
	}, CanonicalName(name))
	return withoutBlanks(strings.Join(strings.Fields(name), " "))
}

// withoutBlanks drops each blank that stands beside a middle dot or between Han characters.
func withoutBlanks(name string) string {
	list := []rune(name)
	var b strings.Builder
	for i, r := range list {
		if r == ' ' && 0 < i && i < len(list)-1 {
			before, after := list[i-1], list[i+1]
			if before == interpunct || after == interpunct || unicode.Is(unicode.Han, before) && unicode.Is(unicode.Han, after) {
				continue
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
