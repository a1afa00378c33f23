// Package idno knows the form of identity numbers (GB 11643): 17 digits and a check
// character. All functions are pure.
package idno

import (
	"strings"

	"github.com/tidebank/tidebank/shared/digits"
)

// Canonical is the one form of an identity number (GB 11643): 18 characters, with
// a capital X. People also write it in groups or in full-width digits. ok is false if the
// number is malformed or its check digit is wrong.
func Canonical(number string) (canonical string, ok bool) {
	number = strings.ToUpper(digits.Canonical(number))
	if len(number) != Length || !digits.Only(number[:Length-1]) {
		return "", false
	}
	return number, Complete(number[:Length-1]) == number
}

// Length is the number of characters of an identity number.
const Length = 18

// Complete adds the check character to the first 17 digits of an identity number
// (ISO 7064, MOD 11-2).
func Complete(digits string) string {
	sum := 0
	for _, digit := range []byte(digits) {
		sum = (sum + int(digit-'0')) * 2 % 11
	}
	return digits + "10X98765432"[sum:sum+1]
}
