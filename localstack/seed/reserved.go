package seed

import (
	"regexp"

	"github.com/tidebank/tidebank/shared/idno"
)

// The reserved ranges of test data. The bank's core systems never give these numbers to a
// person, so a number outside of them in a test may be a real person's
// (`go run ./infra/release check` reports it).
var (
	reservedPhone = regexp.MustCompile(`^(1380|1381|1390)[0-9]{7}$|^13999999[0-9]{3}$`)
	// Born on 7 March, or in 1990, in one district.
	reservedIDNo = regexp.MustCompile(`^110101((19[5-9][0-9]|20[0-9]{2})0307|1990[0-9]{4})[0-9]{3}[0-9X]$`)
	reservedCard = regexp.MustCompile(`^622848(00|20|30)[0-9]{7,11}$`)
)

// formLimits are the lowest and the highest number of each form: tests of the form need
// them, and no test gives them to a person.
func formLimits() []string { return []string{"13000000000", "19999999999", "17012345678"} }

var (
	phoneForm = regexp.MustCompile(`^1[3-9][0-9]{9}$`)
	cardForm  = regexp.MustCompile(`^62[0-9]{13,17}$`)
	dateForm  = regexp.MustCompile(`^[1-6][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])`)
)

// Outside reports what a number is (phone, identity number or card number) if it is one
// and not of the reserved ranges; otherwise "".
func Outside(number string) string {
	canonical, isID := idno.Canonical(number)
	switch {
	case isID && dateForm.MatchString(canonical):
		if !reservedIDNo.MatchString(canonical) {
			return "identity number"
		}
	case phoneForm.MatchString(number):
		for _, limit := range formLimits() {
			if number == limit {
				return ""
			}
		}
		if !reservedPhone.MatchString(number) {
			return "phone number"
		}
	case cardForm.MatchString(number):
		if !reservedCard.MatchString(number) {
			return "card number"
		}
	}
	return ""
}
