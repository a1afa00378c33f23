package customer

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// CanonicalName is the one form in which names are stored and compared: Unicode NFKC,
// each interpunct as · (U+00B7), and single spaces between words only. People type
// 买买提•吐尔逊 for 买买提·吐尔逊, and keyboards differ in how they write é.
func CanonicalName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune("•‧∙⋅・･●", r) {
			return '·'
		}
		return r
	}, norm.NFKC.String(name))
	return strings.Join(strings.FieldsFunc(name, unicode.IsSpace), " ")
}

// SameName reports whether two spellings are of one name. No name is the empty one.
func SameName(a, b string) bool {
	a, b = CanonicalName(a), CanonicalName(b)
	return a != "" && a == b
}
