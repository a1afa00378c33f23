package customer

import (
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// ValidPhone reports whether the text is a mobile number of mainland China: 11
// digits that start with 1 and 3 to 9.
func ValidPhone(number string) bool {
	if len(number) != 11 || number[0] != '1' || number[1] < '3' {
		return false
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return false
		}
	}
	return true
}

// PhoneIndex is the number's blind index.
func PhoneIndex(ring *keys.Ring, number string) []byte { return ring.BlindIndex("phone", number) }

// PhoneBinding is the digest that a code for signing up or logging in confirms. It
// covers the purpose, the number and the digest of the caller's origin (shared/device).
func PhoneBinding(purpose string, index, origin []byte) []byte {
	return sm.Digest([]byte(purpose), []byte{0}, index, origin)
}
