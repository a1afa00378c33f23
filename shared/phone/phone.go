// Package phone is what every function must agree on about mobile numbers: their
// form, their blind index, and what a code sent to one is bound to.
package phone

import (
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// Valid reports whether the text is a mobile number of mainland China: 11 digits
// that start with 1 and 3 to 9.
func Valid(number string) bool {
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

// Index is the number's blind index.
func Index(ring *keys.Ring, number string) []byte { return ring.BlindIndex("phone", number) }

// Binding is what a code for signing up or logging in confirms: this purpose, for
// this number, on this device.
func Binding(purpose string, index []byte, deviceID string) []byte {
	return sm.Digest([]byte(purpose), []byte{0}, index, []byte(deviceID))
}
