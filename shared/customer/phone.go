package customer

import (
	"strings"

	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// CanonicalPhone is the one form of a mobile number of mainland China: 11 digits that
// start with 1 and 3 to 9. People also write it with blanks or dashes, in full-width
// digits, or with the country code as +86, 0086 or 86. ok is false for any other text.
func CanonicalPhone(number string) (canonical string, ok bool) {
	number = digits.Canonical(number)
	for _, code := range [...]string{"+86", "0086", "86"} {
		if rest, found := strings.CutPrefix(number, code); found {
			number = rest
			break
		}
	}
	if len(number) != 11 || number[0] != '1' || number[1] < '3' {
		return "", false
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return "", false
		}
	}
	return number, true
}

// ValidPhone reports whether the text is a mobile number in any of its spellings.
func ValidPhone(number string) bool {
	_, ok := CanonicalPhone(number)
	return ok
}

// PhoneIndex is the blind index of the number in any of its spellings.
func PhoneIndex(ring *keys.Ring, number string) []byte {
	if canonical, ok := CanonicalPhone(number); ok {
		number = canonical
	}
	return ring.BlindIndex("phone", number)
}

// PhoneBinding is the digest that a code for signing up or logging in confirms. It
// covers the purpose, the number and the device.
func PhoneBinding(purpose string, index []byte, deviceID string) []byte {
	return sm.Digest([]byte(purpose), []byte{0}, index, []byte(deviceID))
}
