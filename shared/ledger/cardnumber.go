package ledger

import "github.com/tidebank/tidebank/shared/digits"

// The fewest and the most digits of a card number.
const fewestDigits, mostDigits = 12, 19

// CardNumber reports whether the text has the form of a card number, in any spelling of
// CanonicalNumber. Another text can't be a card, and is no attempt to guess one.
func CardNumber(text string) bool {
	number := CanonicalNumber(text)
	return len(number) >= fewestDigits && len(number) <= mostDigits && digits.Only(number)
}
