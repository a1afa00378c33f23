// Package digits knows how people write long numbers: in groups, with blanks, dashes or
// dots between them, in full-width digits. All functions are pure.
package digits

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Canonical is a number without everything with which people group its digits: blanks,
// dashes, dots and characters without width. Full-width characters become ASCII. All
// other characters stay, so that a number with a foreign character is still no number.
func Canonical(number string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(".·•・_−", r) || unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Cf) {
			return -1
		}
		return r
	}, width.Fold.String(number))
}
